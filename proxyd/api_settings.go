package proxyd

import (
	"errors"
	"net/netip"
	"time"

	"github.com/svcreg/svcreg/proxyd/apilisten"
)

// settings are what the API can be told.
func (a *API) settings() []Setting {
	return []Setting{
		{Name: "api-listen", Usage: "address of the API: the proxy path to services, and the registry for kubectl and curl; empty switches it off. Another address than loopback wants TLS and proof of who a client is", Value: (*word)(&a.Listen)},
		{Name: "api-tls-cert", Usage: "file of the API's certificate; it and the next ones are read again when they change", Value: (*word)(&a.TLSCert)},
		{Name: "api-tls-key", Usage: "file of that certificate's key", Value: (*word)(&a.TLSKey)},
		{Name: "api-tls-client-ca", Usage: "file of the authorities that certificates of clients may come from; the common name is the user, organizations are groups", Value: (*word)(&a.TLSClientCA)},
		{Name: "api-token-file", Usage: `file of clients' tokens, as apiservers read it: token,user,uid,"group,group"`, Value: (*word)(&a.TokenFile)},
		{Name: "api-allow-file", Usage: "YAML file that says which services who may reach, and who may read or write the registry; without it, who may ask may do all", Value: (*word)(&a.AllowFile)},
		{Name: "api-insecure", Usage: "let others reach the API without TLS, or without proof of who they are", Value: (*toggle)(&a.Insecure)},
		{Name: "api-hosts", Usage: "names that clients call the API by where they need no proof, beside localhost and addresses, separated by commas; * for any", Value: list[string]{&a.Hosts, text, "names"}},
		{Name: "api-allow-addresses", Usage: "networks of endpoints that the proxy path reaches although they are loopback, link-local or the node's own control addresses, separated by commas", Value: list[netip.Prefix]{&a.AllowAddresses, network, "CIDRs"}},
		{Name: "api-backend-ca", Usage: "file of the authorities that https endpoints' certificates must come from; by default the system's", Value: (*word)(&a.BackendCA)},
		{Name: "api-backend-insecure", Usage: "trust any certificate of an https endpoint", Value: (*toggle)(&a.BackendInsecure)},
		{Name: "api-pass-authorization", Usage: "pass a client's Authorization on to endpoints, if it is not a token of --api-token-file", Value: (*toggle)(&a.PassAuthorization)},
		{Name: "api-keep-links", Usage: "leave the links in HTML pages of endpoints as they are", Value: (*toggle)(&a.KeepLinks)},
		{Name: "api-audit", Usage: "log each proxied request, and each change of the registry. Lines that come at a stretch are written ten times a second: a proxyd that is killed takes the last ones along", Value: (*toggle)(&a.Audit)},
		{Name: "api-dial-timeout", Usage: "how long to try to connect to an endpoint before the next is tried", Value: (*period)(&a.DialTimeout)},
		{Name: "api-response-timeout", Usage: "how long an endpoint may take to begin its answer; 0s for any time", Value: (*period)(&a.ResponseTimeout)},
		{Name: "api-header-timeout", Usage: "how long a client may take for a request's header", Value: (*period)(&a.HeaderTimeout)},
		{Name: "api-idle-timeout", Usage: "how long a connection may stay without a request", Value: (*period)(&a.IdleTimeout)},
		{Name: "api-stall-timeout", Usage: "how long a client may send nothing of a body, or take nothing of an answer", Value: (*period)(&a.StallTimeout)},
		{Name: "api-max-header", Usage: "how many bytes a request's header may have", Value: (*number)(&a.MaxHeader)},
		{Name: "api-max-body", Usage: "how many bytes a request's body may have; 0 for any number", Value: (*number)(&a.MaxBody)},
		{Name: "api-max-connections", Usage: "how many connections one client may have at a time: one address, or one /64 of IPv6", Value: (*number)(&a.MaxConnections)},
	}
}

// validateAPI reports what is wrong with the settings of the API, if there is to
// be one.
func (c *Config) validateAPI() []error {
	a := &c.API
	if a.Listen == "" {
		return nil
	}
	return append(apiErrors(a.Validate()),
		settingError("api-dial-timeout", between(a.DialTimeout, 10*time.Millisecond, time.Hour)),
		settingError("api-response-timeout", between(a.ResponseTimeout, 0, 24*time.Hour)))
}

// apiError names the setting of each error about the API; what names none is
// the listener's.
func apiError(err error) error {
	return errors.Join(apiErrors(err)...)
}

func apiErrors(err error) []error {
	all := each(err)
	for i, err := range all {
		wrong, ok := errors.AsType[*apilisten.SettingError](err)
		if !ok {
			wrong = &apilisten.SettingError{Setting: "listen", Err: err}
		}
		all[i] = settingError("api-"+wrong.Setting, wrong.Err)
	}
	return all
}
