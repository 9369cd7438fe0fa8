// go-retryablehttp as it comes, behind the driver protocol.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"

	"github.com/hashicorp/go-retryablehttp"
)

type message struct {
	ID   int
	Do   string
	Args struct {
		Ref    string
		Amount int
	}
	Open *struct {
		BaseURL string `json:"base_url"`
		Secrets map[string]string
	}
	Close bool
}

var (
	client       = retryablehttp.NewClient()
	base, secret string
	out          = json.NewEncoder(os.Stdout)
	lock         sync.Mutex
)

func say(told map[string]any) {
	lock.Lock()
	defer lock.Unlock()
	out.Encode(told)
}

func call(m message) (any, error) {
	method, body := "GET", any(nil)
	if m.Do == "create" {
		method, body = "POST", []byte(fmt.Sprintf(`{"amount": %d}`, m.Args.Amount))
	}
	request, err := retryablehttp.NewRequest(method, base+"/payments/"+m.Args.Ref, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+secret)
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("unexpected status %s", answer.Status)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	var value any
	return value, json.Unmarshal(text, &value)
}

func main() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var m message
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			panic(err)
		}
		switch {
		case m.Open != nil:
			base, secret = m.Open.BaseURL, m.Open.Secrets["api_key"]
			say(map[string]any{"ready": map[string]any{
				"operations": map[string]string{"fetch": "read", "create": "write"}, "library": "go-retryablehttp"}})
		case m.Close:
			return
		case m.Do != "":
			go func() {
				value, err := call(m)
				if err != nil {
					say(map[string]any{"id": m.ID, "error": map[string]any{
						"type": fmt.Sprintf("%T", err), "message": err.Error(), "dump": fmt.Sprintf("%+v", err)}})
					return
				}
				say(map[string]any{"id": m.ID, "ok": value})
			}()
		}
	}
}
