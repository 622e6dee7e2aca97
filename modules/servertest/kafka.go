package servertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A KafkaBroker is where to reach a broker. It makes no topics by itself. AccessKey and SecretKey get in at Secure, by PLAIN,
// SCRAM-SHA-256 and SCRAM-SHA-512.
type KafkaBroker struct {
	Plain  string // address without TLS and authentication
	Secure string // address with both
	CA     string // that signed the certificate of Secure, in PEM
}

var kafka = sync.OnceValues(startKafka)

// Kafka returns a broker, the real one.
func Kafka(t testing.TB) KafkaBroker {
	t.Helper()
	b, err := kafka()
	require.NoError(t, err)
	return b
}

func startKafka() (KafkaBroker, error) {
	var b KafkaBroker
	others := [2]string{} // of Secure, and of the broker itself
	for i := range others {
		port, hold, err := Reserve()
		if err != nil {
			return b, err
		}
		others[i] = "127.0.0.1:" + strconv.Itoa(port)
		lifelines.Lock()
		lifelines.open = append(lifelines.open, hold)
		lifelines.Unlock()
	}
	b.Secure = others[0]
	var wrong error
	endpoint, err := start(func(port int, dir string) ([]string, string) {
		if b.CA, wrong = writeKafka(dir, "127.0.0.1:"+strconv.Itoa(port), others); wrong != nil {
			return nil, wrong.Error()
		}
		const script = `java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$1" kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAQ -c "$2" \
				--add-scram "SCRAM-SHA-256=[name=$3,password=$4]" --add-scram "SCRAM-SHA-512=[name=$3,password=$4]" &&
			exec java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$1" kafka.Kafka "$2"`
		return []string{"sh", "-c", script, "sh", tool("kafka") + "/*", filepath.Join(dir, "kafka.properties"), AccessKey, SecretKey}, ""
	})
	b.Plain = strings.TrimPrefix(endpoint, "http://")
	return b, err
}

// writeKafka writes a broker's settings and certificate.
func writeKafka(dir, plain string, others [2]string) (ca string, err error) {
	key, cert, err := certificate()
	if err != nil {
		return "", err
	}
	chain := filepath.Join(dir, "kafka.pem")
	if err := os.WriteFile(chain, []byte(key+cert), 0o600); err != nil {
		return "", err
	}
	const login = "listener.name.secure.%s.sasl.jaas.config=org.apache.kafka.common.security.%s required%s;\n"
	conf := fmt.Sprintf(`process.roles=broker,controller
node.id=1
listeners=PLAIN://%[1]s,SECURE://%[2]s,CONTROLLER://%[3]s
advertised.listeners=PLAIN://%[1]s,SECURE://%[2]s
listener.security.protocol.map=PLAIN:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT
controller.quorum.voters=1@%[3]s
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
log.dirs=%[4]s
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
ssl.keystore.type=PEM
ssl.keystore.location=%[5]s
`, plain, others[0], others[1], filepath.Join(dir, "log"), chain) +
		fmt.Sprintf(login, "plain", "plain.PlainLoginModule", fmt.Sprintf(" user_%s=%q", AccessKey, SecretKey)) +
		fmt.Sprintf(login, "scram-sha-256", "scram.ScramLoginModule", "") +
		fmt.Sprintf(login, "scram-sha-512", "scram.ScramLoginModule", "")
	return cert, os.WriteFile(filepath.Join(dir, "kafka.properties"), []byte(conf), 0o600)
}

// certificate makes one for 127.0.0.1 that signs itself.
func certificate() (key, cert string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "millrace test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return "", "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", err
	}
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return text("PRIVATE KEY", der), text("CERTIFICATE", signed), nil
}
