package hook_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestASigningCertURLLeadsNowhereButToSNSInTheTopicsRegion(t *testing.T) {
	const file = "/SimpleNotificationService-0123456789abcdef.pem"
	for _, address := range []string{
		"http://" + snsHost + file,
		"https://sns.us-east-1.amazonaws.com" + file,
		"https://sns.eu-west-1.amazonaws.com.evil.example" + file,
		"https://evil.example/" + snsHost + file,
		"https://" + snsHost + "@evil.example" + file,
		"https://evil.example#" + snsHost + file,
		"https://" + snsHost + ":8443" + file,
		"https://SNS.eu-west-1.amazonaws.com" + file,
		"https://" + snsHost + "/other.pem",
		"https://" + snsHost + "/SimpleNotificationService-..%2f..%2fx.pem",
		"https://" + snsHost + file + "?x=1",
		"https://bucket.s3.amazonaws.com" + file,
		"https://169.254.169.254" + file,
		"https://[::1]" + file,
		"file:///etc/passwd", "", "://", "https:" + snsHost + file,
	} {
		a := newAmazon(nil)
		m := notification()
		m["SigningCertURL"] = address
		body := signSNS(m)
		_, err := take(t, a.source(t, ""), post(body), body)
		requireRefused(t, err, http.StatusUnauthorized, "SigningCertURL")
		require.Empty(t, a.asked, "nobody was asked because of %s", address)
	}
	a := newAmazon(nil)
	a.answers[certURL] = "to http://169.254.169.254/"
	body := signSNS(notification())
	_, err := take(t, a.source(t, ""), post(body), body)
	requireRefused(t, err, http.StatusUnauthorized, "302")
	require.Equal(t, []string{certURL}, a.asked, "no redirect is followed")
}

func TestACertificateMustBeSNSOwnAndLeadToARoot(t *testing.T) {
	a := ours()
	_, alone := issue("sns.amazonaws.com", nil, &leafKey().PublicKey, nil, leafKey(), false)
	_, regional := issue(snsHost, nil, &leafKey().PublicKey, a.middle, a.middleKey, false)
	_, leaf := issue("sns.amazonaws.com", nil, &leafKey().PublicKey, a.middle, a.middleKey, false)
	for _, tt := range []struct {
		name   string
		served string
		why    string // empty: it is taken
	}{
		{"its name has the region", toPEM(regional, a.middleDER), ""},
		{"nobody vouches for it", toPEM(alone), "leads to no root"},
		{"what stands between is missing", toPEM(leaf), "leads to no root"},
		{"another's name", newAmazon(func(c *x509.Certificate) { c.DNSNames = []string{"evil.example"} }).answers[certURL], "is not one of"},
		{"another region's", newAmazon(func(c *x509.Certificate) { c.DNSNames = []string{"sns.us-east-1.amazonaws.com"} }).answers[certURL], "is not one of"},
		{"over", newAmazon(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }).answers[certURL], "not valid"},
		{"not valid yet", newAmazon(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }).answers[certURL], "not valid"},
		{"no certificate", "hello", "has no certificate"},
		{"too large", strings.Repeat("x", 65<<10), "bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := signSNS(notification())
			_, err := take(t, (&amazon{answers: map[string]string{certURL: tt.served}}).source(t, ""), post(body), body)
			if tt.why == "" {
				require.NoError(t, err)
				return
			}
			requireRefused(t, err, http.StatusUnauthorized, tt.why)
		})
	}
}

func TestACertificateThatSNSServesAloneIsTracedToItsIssuer(t *testing.T) {
	a := ours()
	for issuer, taken := range map[string]bool{
		"http://crt.r2m01.amazontrust.com/r2m01.cer": true, "http://evil.example/r2m01.cer": false,
		"http://169.254.169.254/r2m01.cer": false, "ftp://crt.r2m01.amazontrust.com/r2m01.cer": false,
	} {
		_, leaf := issue("sns.amazonaws.com", func(c *x509.Certificate) { c.IssuingCertificateURL = []string{issuer} }, &leafKey().PublicKey, a.middle, a.middleKey, false)
		aws := &amazon{answers: map[string]string{certURL: toPEM(leaf), issuer: string(a.middleDER)}}
		body := signSNS(notification())
		_, err := take(t, aws.source(t, ""), post(body), body)
		if taken {
			require.NoError(t, err)
			require.Equal(t, []string{certURL, issuer}, aws.asked)
			continue
		}
		requireRefused(t, err, http.StatusUnauthorized, "leads to no root")
		require.Equal(t, []string{certURL}, aws.asked)
	}
}

func TestACertificateIsAskedForAgainAfterADayAndUsedNoLongerThanItIsValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(40 * time.Hour) }
		a := newAuthority(long).amazon(long)
		s := a.source(t, "")
		after := func(d time.Duration) error {
			time.Sleep(d)
			body := signSNS(notification())
			_, err := take(t, s, post(body), body)
			return err
		}
		require.NoError(t, after(0))
		require.NoError(t, after(23*time.Hour))
		require.Len(t, a.asked, 1)
		served := a.answers[certURL]
		a.answers[certURL] = "down"
		require.NoError(t, after(2*time.Hour), "it is good still")
		require.Len(t, a.asked, 2)
		a.answers[certURL] = served
		require.NoError(t, after(0))
		require.Len(t, a.asked, 3)
		a.answers[certURL] = "down"
		requireRefused(t, after(16*time.Hour), http.StatusServiceUnavailable, "refused")
		a.answers[certURL] = served
		requireRefused(t, after(0), http.StatusUnauthorized, "not valid")
	})
}

func TestASmallKeyIsNoneOfSNS(t *testing.T) {
	a := ours()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	for _, public := range []any{&small.PublicKey, &a.middleKey.PublicKey} {
		_, leaf := issue("sns.amazonaws.com", nil, public, a.middle, a.middleKey, false)
		body := signSNS(notification())
		_, err = take(t, (&amazon{answers: map[string]string{certURL: toPEM(leaf, a.middleDER)}}).source(t, ""), post(body), body)
		requireRefused(t, err, http.StatusUnauthorized, "no RSA key of 2048 bits")
	}
}

func TestSNSIsToldToSendAgainWhereItsCertificateCanNotBeHad(t *testing.T) {
	a := newAmazon(nil)
	a.answers[certURL] = "down"
	s := a.source(t, "")
	body := signSNS(notification())
	for range 20 {
		_, err := take(t, s, post(body), body)
		requireRefused(t, err, http.StatusServiceUnavailable, "")
	}
	require.LessOrEqual(t, len(a.asked), 9, "strangers do not have us ask SNS all day")
}
