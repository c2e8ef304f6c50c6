package write

// probes is how many numbers are tried at random before the rest is searched
// in order. Of numbers of which nine tenths are held, one that is free is found
// within this many in all but one of a hundred million cases.
const probes = 175

// reserved returns how many of the first numbers are given away only when no
// others are left, so that services which name what they want, and which by
// habit name a low one, find it free.
func reserved(size uint64) uint64 {
	return min(max(16, size/16), 256, size/2)
}

// pick returns a number from 1 to size that nobody holds, or false if all are
// held. random returns a number below its argument.
func pick(size uint64, held func(uint64) bool, random func(uint64) uint64) (uint64, bool) {
	reserved := reserved(size)
	for range probes {
		if number := 1 + reserved + random(size-reserved); !held(number) {
			return number, true
		}
	}
	if number, ok := scan(1+reserved, size, held, random); ok {
		return number, true
	}
	return scan(1, reserved, held, random)
}

// scan looks through the numbers from first to last, beginning anywhere. It
// takes one step more than there are numbers held, however many there are.
func scan(first, last uint64, held func(uint64) bool, random func(uint64) uint64) (uint64, bool) {
	if last < first {
		return 0, false
	}
	count := last - first + 1
	start := random(count)
	for i := range count {
		if number := first + (start+i)%count; !held(number) {
			return number, true
		}
	}
	return 0, false
}
