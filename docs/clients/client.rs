// A client in Rust on std alone, sound unless DEFECT says otherwise: by command (GALEPROOF_OPERATION) or as a driver.
use std::collections::hash_map::RandomState;
use std::env::var;
use std::hash::{BuildHasher, Hasher};
use std::io::{BufRead, Error, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

struct Failure { kind: &'static str, message: String, effect: &'static str }
#[derive(Clone)]
struct Provider { authority: String, secret: String, defect: String }

fn draw() -> f64 { RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64 }

fn field(text: &str, name: &str) -> String { // of flat JSON, as the protocol has it
    let rest = text.split_once(&format!("\"{name}\":")).map_or("", |(_, rest)| rest).trim_start();
    let Some(quoted) = rest.strip_prefix('"') else { return rest.split([',', '}']).next().unwrap_or("").trim().into() };
    let (mut value, mut letters) = (String::new(), quoted.chars());
    while let Some(letter) = letters.next().filter(|&letter| letter != '"') {
        value.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    value
}

fn told(value: &str) -> String { format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r")) }

fn date(text: &str) -> Option<f64> { // all three forms of HTTP-date, all GMT: seconds from now
    let mut words: Vec<&str> = text.split([' ', '-', ',']).filter(|word| !word.is_empty()).collect();
    if words.len() == 5 { words = vec![words[0], words[2], words[1], words[4], words[3]] } // asctime
    let month = 1 + "JanFebMarAprMayJunJulAugSepOctNovDec".find(*words.get(2)?)? as i64 / 3;
    let (day, year) = (words.get(1)?.parse::<i64>().ok()?, words.get(3)?.parse::<i64>().ok()?);
    let clock: Vec<i64> = words.get(4)?.split(':').filter_map(|part| part.parse().ok()).collect();
    let y = (if year < 100 { year + 2000 } else { year }) - i64::from(month <= 2);
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * ((month + 9) % 12) + 2) / 5 + day - 719469;
    let at = days * 86400 + clock.first()? * 3600 + clock.get(1)? * 60 + clock.get(2)?;
    Some(at as f64 - SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64())
}

fn attempt(to: &Provider, head: &str, limit: Duration, bounded: bool) -> Result<(u16, Option<String>, String), Error> {
    let until = Instant::now() + limit;
    let mut stream = TcpStream::connect_timeout(&to.authority.parse().map_err(Error::other)?, limit)?;
    stream.write_all(head.as_bytes())?;
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        if bounded { stream.set_read_timeout(Some(until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))))? }
        let n = stream.read(&mut piece)?;
        answer.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((headers, body)) = text.split_once("\r\n\r\n") {
            let header = |name: &str| headers.lines().find(|l| l.to_lowercase().starts_with(name)).map(|l| l[name.len()..].trim().to_string());
            let status = headers.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(|| Error::other("no status"))?;
            if header("content-length:").and_then(|s| s.parse::<usize>().ok()).is_some_and(|size| body.len() >= size) {
                return Ok((status, header("retry-after:"), body.to_string()));
            }
        }
        if n == 0 || Instant::now() > until && bounded { return Err(Error::other("cut off")) }
    }
}

fn call(to: &Provider, operation: &str, reference: &str, amount: &str) -> Result<String, Failure> {
    let (is, writes, begin) = (|defect| to.defect == defect, operation == "create", Instant::now());
    let (most, mut effect) = (if is("no-cap") { 8 } else { 3 }, "none");
    for number in 0.. {
        let mut head = format!("GET /payments/{reference} HTTP/1.1\r\n");
        let mut body = String::new();
        if writes {
            body = format!("{{\"reference\": {}, \"amount\": {amount}}}", told(reference));
            head = format!("POST /payments HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", body.len());
            let nonce = if is("new-key") { format!("{}-{}", draw(), draw()) } else { String::new() };
            if !is("unkeyed") { head += &format!("Idempotency-Key: key-{reference}-{amount}{nonce}\r\n") }
        }
        head += &format!("Host: {}\r\nAuthorization: Bearer {}\r\nX-Request-Id: {reference}\r\nConnection: close\r\n\r\n{body}", to.authority, to.secret);
        let left = Duration::from_secs(6).saturating_sub(begin.elapsed()).clamp(Duration::from_millis(1), Duration::from_secs(1));
        let (retried, after, mut failure) = match attempt(to, &head, left, !is("no-deadline")) {
            Ok((status, _, body)) if status < 300 => return Ok(body),
            Ok((status, after, _)) => {
                if writes && status >= 500 { effect = "unknown" }
                (matches!(status, 429 | 502..=504), after, Failure { kind: "Refused", message: format!("answered {status}"), effect })
            }
            Err(_) => { if writes { effect = "unknown" } (true, None, Failure { kind: "Lost", message: "no answer".into(), effect }) }
        };
        let most_s = f64::min(2.0, 0.2 * f64::powi(2.0, number));
        let mut wait = if is("no-jitter") { most_s } else { draw() * most_s };
        if let Some(after) = after.filter(|_| !is("ignores-retry-after")) {
            let digits = !after.is_empty() && after.bytes().all(|b| b.is_ascii_digit());
            wait = wait.max(if digits { after.parse().unwrap_or(f64::MAX) } else { date(&after).unwrap_or(0.0) });
        }
        let late = !is("no-deadline") && begin.elapsed().as_secs_f64() + wait > 6.0;
        if !retried || number + 1 >= most || late || wait > 5.0 && !is("no-cap") {
            if is("secret-in-error") { failure.message += &format!(" with Bearer {}", to.secret) }
            return Err(failure);
        }
        std::thread::sleep(Duration::from_secs_f64(wait));
    }
    unreachable!()
}

fn error(of: &Failure) -> String {
    format!("{{\"type\": \"{}\", \"message\": {}, \"effect\": \"{}\", \"dump\": {}}}", of.kind, told(&of.message), of.effect, told(&of.message))
}

fn main() {
    let provider = |base: &str, secret: String| Provider {
        authority: base.trim_start_matches("http://").trim_end_matches('/').into(), secret, defect: var("DEFECT").unwrap_or_default() };
    let env = |name: &str| var(format!("GALEPROOF_{name}")).unwrap_or_default();
    if !env("OPERATION").is_empty() {
        match call(&provider(&env("BASE_URL"), env("SECRET_API_KEY")), &env("OPERATION"), &env("REF"), &env("AMOUNT")) {
            Ok(value) => println!("{value}"),
            Err(failure) => { eprintln!("{}", failure.message); println!("{{\"error\": {}}}", error(&failure)); std::process::exit(1) }
        }
        return;
    }
    let mut open = None;
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        if line.contains("\"open\":") {
            open = Some(provider(&field(&line, "base_url"), field(&line, "api_key")));
            println!("{{\"ready\": {{\"operations\": {{\"fetch\": \"read\", \"create\": \"write\"}}, \"library\": \"std\"}}}}");
        } else if line.contains("\"close\":") {
            return;
        } else if let (true, Some(to)) = (line.contains("\"do\":"), open.clone()) {
            std::thread::spawn(move || {
                let id = field(&line, "id");
                match call(&to, &field(&line, "do"), &field(&line, "ref"), &field(&line, "amount")) {
                    Ok(value) => println!("{{\"id\": {id}, \"ok\": {value}}}"),
                    Err(failure) => println!("{{\"id\": {id}, \"error\": {}}}", error(&failure)),
                }
            });
        }
    }
}
