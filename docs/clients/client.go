// A client in Go, sound unless DEFECT says otherwise: by command (GALEPROOF_OPERATION) or as a driver.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

var defect = os.Getenv("DEFECT")
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

type apiError struct{ kind, message, effect string }

func pause(attempt int, retryAfter string) time.Duration {
	wait := min(2*time.Second, 200*time.Millisecond<<attempt)
	if defect != "no-jitter" {
		wait = time.Duration(rand.Int63n(int64(wait)))
	}
	if retryAfter == "" || defect == "ignores-retry-after" {
		return wait
	}
	if seconds, err := strconv.ParseFloat(retryAfter, 64); err == nil {
		return max(wait, time.Duration(min(seconds, 1e6)*float64(time.Second)))
	}
	if at, err := http.ParseTime(retryAfter); err == nil {
		return max(wait, time.Until(at))
	}
	return wait
}

func try(ctx context.Context, base, secret, operation, ref string, amount int) (any, int, string, error) {
	method, url, body := "GET", base+"/payments/"+ref, []byte(nil)
	if operation == "create" {
		method, url = "POST", base+"/payments"
		body, _ = json.Marshal(map[string]any{"reference": ref, "amount": amount})
	}
	request, _ := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	request.GetBody = nil // the transport must not send a body again by itself
	request.Header.Set("Authorization", "Bearer "+secret)
	request.Header.Set("X-Request-Id", ref)
	if operation == "create" && defect == "new-key" {
		request.Header.Set("Idempotency-Key", strconv.FormatInt(rand.Int63(), 36)+"-"+strconv.FormatInt(rand.Int63(), 36))
	} else if operation == "create" && defect != "unkeyed" {
		request.Header.Set("Idempotency-Key", "key-"+ref+"-"+strconv.Itoa(amount))
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, 0, "", err
	}
	var value any
	if answer.StatusCode < 300 {
		err = json.Unmarshal(text, &value)
	}
	return value, answer.StatusCode, answer.Header.Get("Retry-After"), err
}

func call(base, secret, operation, ref string, amount int) (any, *apiError) {
	most, deadline, effect := 3, time.Now().Add(6*time.Second), "none"
	if defect == "no-cap" {
		most = 8
	}
	for attempt := 0; ; attempt++ {
		ctx, cancel := context.WithTimeout(context.Background(), min(time.Second, time.Until(deadline)))
		if defect == "no-deadline" {
			ctx = context.Background()
		}
		value, status, retryAfter, err := try(ctx, base, secret, operation, ref, amount)
		cancel()
		failure := &apiError{"Refused", fmt.Sprintf("answered %d", status), ""}
		switch {
		case err != nil:
			failure = &apiError{"Lost", "no answer", ""}
			if operation == "create" {
				effect = "unknown"
			}
		case status < 300:
			return value, nil
		case status >= 500 && operation == "create":
			effect = "unknown"
		}
		wait := pause(attempt, retryAfter)
		retried := err != nil || status == 429 || status == 502 || status == 503 || status == 504
		late := defect != "no-deadline" && time.Now().Add(wait).After(deadline)
		if !retried || attempt+1 >= most || late || (wait > 5*time.Second && defect != "no-cap") {
			failure.effect = effect
			if defect == "secret-in-error" {
				failure.message += " with Bearer " + secret
			}
			return nil, failure
		}
		time.Sleep(wait)
	}
}

func (e *apiError) told() map[string]any {
	return map[string]any{"type": e.kind, "message": e.message, "effect": e.effect, "dump": fmt.Sprintf("%+v", *e)}
}

func main() {
	var lock sync.Mutex
	out := json.NewEncoder(os.Stdout)
	say := func(message any) { lock.Lock(); defer lock.Unlock(); out.Encode(message) }
	if operation := os.Getenv("GALEPROOF_OPERATION"); operation != "" {
		amount, _ := strconv.Atoi(os.Getenv("GALEPROOF_AMOUNT"))
		value, failure := call(os.Getenv("GALEPROOF_BASE_URL"), os.Getenv("GALEPROOF_SECRET_API_KEY"), operation, os.Getenv("GALEPROOF_REF"), amount)
		if failure != nil {
			fmt.Fprintln(os.Stderr, failure.message)
			say(map[string]any{"error": failure.told()})
			os.Exit(1)
		}
		say(value)
		return
	}
	var base, secret string
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var m struct {
			Open  *struct{ Base_url string; Secrets map[string]string }
			Id    int
			Do    string
			Args  struct{ Ref string; Amount int }
			Close bool
		}
		json.Unmarshal(lines.Bytes(), &m)
		switch {
		case m.Open != nil:
			base, secret = m.Open.Base_url, m.Open.Secrets["api_key"]
			say(map[string]any{"ready": map[string]any{"operations": map[string]string{"fetch": "read", "create": "write"}, "library": "net/http"}})
		case m.Close:
			return
		case m.Do != "":
			go func(id int, do, ref string, amount int) {
				value, failure := call(base, secret, do, ref, amount)
				if failure != nil {
					say(map[string]any{"id": id, "error": failure.told()})
					return
				}
				say(map[string]any{"id": id, "ok": value})
			}(m.Id, m.Do, m.Args.Ref, m.Args.Amount)
		}
	}
}
