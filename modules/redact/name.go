package redact

import "strings"

// NameIsSecret says whether a variable or prop of this name holds a secret by the look of it:
// GITHUB_TOKEN, dbPassword, x-api-key, AWS_SECRET_ACCESS_KEY, Authorization. Case and separators do
// not matter.
func NameIsSecret(name string) bool {
	upper := strings.ToUpper(name)
	for _, end := range [...]string{"_PASS", "_PWD", "_AUTH"} { // PWD alone is a folder
		if strings.HasSuffix(upper, end) {
			return true
		}
	}
	plain := strings.Map(func(r rune) rune {
		if strings.ContainsRune("_-. ", r) {
			return -1
		}
		return r
	}, upper)
	for _, word := range [...]string{
		"TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "AUTHORIZATION",
		"APIKEY", "ACCESSKEY", "PRIVATEKEY", "SIGNINGKEY", "ENCRYPTIONKEY", "ACCOUNTKEY", "SHAREDKEY",
		"CONNECTIONSTRING", "COOKIE",
	} {
		if strings.Contains(plain, word) {
			return true
		}
	}
	return false
}
