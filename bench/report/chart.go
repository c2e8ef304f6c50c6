package report

// Chart stays to be drawn.
func Chart(Results) string { return "" }
