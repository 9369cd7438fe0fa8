"""Each fails on 6135f7b where the catalogue or the brief says otherwise."""
import base64


def test_a_idm001_reset_on_accept_between_hides_unkeyed_resend(gale_words):
    s = gale_words.Storm(("rst after effect", "rst after accept", "ok")).start(kind="write", name="create")
    h = s.post("rst after effect").cut().wait(50).rst0().wait(50).post("ok").answer(201).end().history()
    assert gale_words.told(h, "IDM001") == ("FAIL", None)

def test_b_idm_form_encoded_body_key(gale_words):
    s = gale_words.Storm(("rst after effect", "ok")).start(kind="write", name="create")
    s.request("rst after effect", "POST", None, "request_id=r1&a=1").cut().wait(50)
    h = s.request("ok", "POST", None, "request_id=r1&a=1").answer(201).end().history()
    assert gale_words.failing(h, idempotency_key="body:request_id") == []

def test_b2_idm_body_cut_at_64k(gale_words):
    body = '{"request_id":"r1","blob":"' + "z" * 65500
    s = gale_words.Storm(("rst after effect", "ok")).start(kind="write", name="create")
    s.request("rst after effect", "POST", None, body[:65536]).cut().wait(50)
    h = s.request("ok", "POST", None, body[:65536]).answer(201).end().history()
    assert gale_words.failing(h, idempotency_key="body:request_id") == []

def test_c_sec001_channel_in_force_without_probe(gale_words):
    s = gale_words.Storm(("ok",), secrets={"k": gale_words.canary}, channels=["log", "stdout"]).start()
    s.request("ok", headers={"Authorization": gale_words.canary}).answer(200).end()
    h = s.add("subject", "probe", channel="log", found=True).history()
    assert gale_words.told(h, "SEC001") == ("UNKNOWN", "capture_missing")

def _leak(words, text):
    s = words.Storm(("ok",), secrets={"k": words.canary}, channels=["log"]).start()
    s.request("ok", headers={"Authorization": words.canary}).answer(200).end().log(text)
    return words.told(s.add("subject", "probe", channel="log", found=True).history(), "SEC001")

def test_c2_sec001_base64_cut_short(gale_words):
    assert _leak(gale_words, base64.b64encode(b"user:" + gale_words.canary.encode()).decode()[:40]) == ("FAIL", None)

def test_c3_sec001_reversed_or_folded_fragment(gale_words):
    c = gale_words.canary
    assert [_leak(gale_words, c[10:30].lower()), _leak(gale_words, c[10:30][::-1])] == [("FAIL", None)] * 2

def test_d_tmo002_deadline_alone_declared_still_waiting(gale_words):
    h = gale_words.Storm(("hang after request",)).start().request("hang after request").wait(30000).over_budget().history()
    assert gale_words.told(h, "TMO002", deadline_s=6.0) == ("FAIL", None)

def test_e_tmo002_long_poll_beyond_budget(gale_words):
    h = gale_words.Storm(("hang after request",)).start().request("hang after request").wait(30000).over_budget().history()
    assert gale_words.told(h, "TMO002", read_timeout_s=60.0) == ("UNKNOWN", "budget_exhausted")

def test_f_tmo002_last_of_many_bounded_waits_cut_off(gale_words):
    s = gale_words.Storm(("hang after request", "hang after request")).start()
    for _ in range(14):
        s.request("hang after request").gives_up(2000)
    h = s.request("hang after request").wait(500).over_budget().history()
    assert gale_words.told(h, "TMO002", read_timeout_s=2.0)[0] != "FAIL"

def test_g_tmo006_deadline_beyond_budget(gale_words):
    s = gale_words.Storm(("503", "503")).start().request("503").answer(503).wait(300).request("503").answer(503)
    assert gale_words.told(s.wait(29000).over_budget().history(), "TMO006", deadline_s=60.0)[0] != "FAIL"

def test_g2_tmo006_partial_history_of_a_short_run(gale_words):
    s = gale_words.Storm(("503", "503")).start().request("503").answer(503)
    assert gale_words.told(s.history(), "TMO006", deadline_s=6.0)[0] != "FAIL"

def test_h_unplanned_connection_fault(gale_words):
    s = gale_words.Storm(("hang after request",)).start().request("hang after request").gives_up(9000)
    h = s.add("tap", "fault_unplanned", connection=1, what="reset too early").end("failed").history()
    assert gale_words.told(h, "TMO002", read_timeout_s=1.0) == ("UNKNOWN", "harness_fault")

def test_i_opaque_connection_is_capture_missing(gale_words):
    s = gale_words.Storm(("503", "ok")).start()
    h = s.add("tap", "opaque", connection=1, x=1, why="HTTP/2 preface").end("failed").history()
    assert gale_words.told(h, "RTY001", max_attempts=3) == ("UNKNOWN", "capture_missing")

def test_j_rty003_value_cut_at_4k(gale_words):
    s = gale_words.Storm().start().request("503").answer(503).wait(9).request("ok").answer(200)
    h = s.end(value=('{"list":"' + "z" * 5000)[:4096]).history()
    assert gale_words.told(h, "RTY003", retry_on=[503], max_attempts=3)[0] != "FAIL"

def test_k_rty003_fallback_value_without_any_answer(gale_words):
    s = gale_words.Storm().start().request("503").answer(503)
    assert gale_words.told(s.end(value={}).history(), "RTY003", retry_on=[503], max_attempts=3) == ("FAIL", None)

def test_l_rty001_killed_within_cap(gale_words):
    s = gale_words.Storm(("503", "503")).start().request("503").answer(503).wait(300)
    assert gale_words.told(s.end("killed").history(), "RTY001", max_attempts=3) == ("UNKNOWN", "budget_exhausted")

def test_m_tmo002_slow_upload_is_no_wait(gale_words):
    s = gale_words.Storm(("hang after request",)).start().post("hang after request", whole=False).wait(5000)
    s.add("tap", "request_end", s.ref, connection=1, x=1, n=9, sha256="", body="")
    assert gale_words.told(s.gives_up(1000).end("failed").history(), "TMO002", read_timeout_s=1.0) == ("PASS", None)

def test_n_rty003_wait_beyond_the_deadline(gale_words):
    s = gale_words.Storm(("503", "ok")).start().request("503").answer(503, {"Retry-After": "9"})
    h = s.end("failed").history()
    assert gale_words.told(h, "RTY003", retry_on=[503], max_attempts=3, deadline_s=4.0, retry_after_max_s=30.0)[0] != "FAIL"
