// Package flowysim gives each Go test an Amazon SWF of its own, on a virtual clock.
//
// It starts one `flowy-sim serve` for the whole test binary, or uses the server that
// FLOWY_SIM_ENDPOINT names. The server ends with the test binary. Copy this file into your project.
package flowysim

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/swf"
)

// Simulation is an Amazon SWF in memory that no other test sees.
type Simulation struct {
	// Endpoint is its address, for clients in other processes (AWS_ENDPOINT_URL_SWF).
	Endpoint string
	t        testing.TB
}

// Clock is the time of a simulation.
type Clock struct {
	Mode string    `json:"mode"`
	Now  time.Time `json:"now"`
	// Next is when something happens by itself; nil if nothing will.
	Next *time.Time `json:"next"`
}

// New returns a simulation for one test, which is deleted when the test ends.
//
// The test is skipped if FLOWY_SIM_ENDPOINT is not set and flowy-sim is not installed.
func New(t testing.TB) *Simulation {
	t.Helper()
	server, err := server()
	if err != nil {
		t.Skipf("flowy-sim is needed: %v", err)
	}
	name := make([]byte, 8)
	if _, err := rand.Read(name); err != nil {
		t.Fatal(err)
	}
	simulation := &Simulation{Endpoint: server + "/test-" + hex.EncodeToString(name), t: t}
	t.Cleanup(func() { simulation.control(http.MethodDelete, "", nil, nil) })
	simulation.control(http.MethodPost, "/reset", map[string]any{"clock": "virtual"}, nil)
	return simulation
}

// Client returns a client of the AWS SDK for Go v2. It never calls AWS.
func (s *Simulation) Client() *swf.Client {
	return swf.New(swf.Options{
		BaseEndpoint: aws.String(s.Endpoint),
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
		// A long poll is answered after 60 s at the latest, so clients must wait longer than that.
		HTTPClient: &http.Client{Timeout: 70 * time.Second},
	})
}

// Clock returns the simulation's time.
func (s *Simulation) Clock() Clock {
	s.t.Helper()
	var clock Clock
	s.control(http.MethodGet, "/clock", nil, &clock)
	return clock
}

// Advance lets simulated time pass.
func (s *Simulation) Advance(duration time.Duration) {
	s.t.Helper()
	s.control(http.MethodPost, "/clock/advance", map[string]any{"seconds": duration.Seconds()}, nil)
}

// Settle waits until nothing moves any more, for at most the given real time, and reports whether
// that was reached.
func (s *Simulation) Settle(atMost time.Duration) bool {
	s.t.Helper()
	var answer struct{ Still bool }
	s.control(http.MethodPost, "/settle", map[string]any{"seconds": atMost.Seconds()}, &answer)
	return answer.Still
}

// Reset empties the simulation. Polls that wait are answered.
func (s *Simulation) Reset() {
	s.t.Helper()
	s.control(http.MethodPost, "/reset", nil, nil)
}

// control sends a request under /_flowy, which no SWF client uses.
func (s *Simulation) control(method, path string, body, answer any) {
	s.t.Helper()
	var sent bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&sent).Encode(body); err != nil {
			s.t.Fatal(err)
		}
	}
	request, err := http.NewRequestWithContext(
		context.Background(), method, s.Endpoint+"/_flowy"+path, &sent)
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		s.t.Fatalf("%s %s: %s: %s", method, path, response.Status, text)
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil {
			s.t.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
}

// server returns the address of the one server of this test binary.
var server = sync.OnceValues(func() (string, error) {
	if endpoint := os.Getenv("FLOWY_SIM_ENDPOINT"); endpoint != "" {
		_, err := url.Parse(endpoint)
		return strings.TrimRight(endpoint, "/"), err
	}
	// The command beside the server prints its address, then reads a pipe that the operating system
	// closes when this process ends, however it ends. The server ends with the command.
	command := exec.Command("flowy-sim", "serve", "--clock", "virtual", "--",
		"sh", "-c", `echo "$AWS_ENDPOINT_URL_SWF"; cat`)
	command.Stderr = os.Stderr
	if _, err := command.StdinPipe(); err != nil {
		return "", err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := command.Start(); err != nil {
		return "", err
	}
	address, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("flowy-sim serve ended without an address: %w", err)
	}
	return strings.TrimSpace(address), nil
})
