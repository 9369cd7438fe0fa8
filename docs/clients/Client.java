// A client in Java, sound unless DEFECT says otherwise: by command (GALEPROOF_OPERATION) or as a driver.
import java.net.URI;
import java.net.http.*;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.*;

public class Client {
    static final String DEFECT = System.getenv().getOrDefault("DEFECT", "");
    static { System.setProperty("jdk.httpclient.redirects.retrylimit", "1"); } // else a lost GET goes out twice
    static final HttpClient HTTP = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1)
        .connectTimeout(Duration.ofSeconds(1)).build();

    static final Pattern OBJECT = Pattern.compile("\\s*\\{(\\s*\"[^\"]*\"\\s*:\\s*(\"[^\"]*\"|-?\\d+|true|false|null)\\s*,?)*\\}\\s*");

    static class ApiError extends Exception {
        final String kind; String effect;
        ApiError(String kind, String message, String effect) { super(message); this.kind = kind; this.effect = effect; }
    }

    static double pause(int attempt, String after) {
        double wait = Math.min(2.0, 0.2 * Math.pow(2, attempt));
        double backoff = DEFECT.equals("no-jitter") ? wait : ThreadLocalRandom.current().nextDouble() * wait;
        if (after == null || DEFECT.equals("ignores-retry-after")) return backoff;
        if (after.matches("\\d+")) return Math.max(backoff, Double.parseDouble(after));
        for (String form : new String[] {"EEE, dd MMM yyyy HH:mm:ss 'GMT'", "EEEE, dd-MMM-yy HH:mm:ss 'GMT'", "EEE MMM ppd HH:mm:ss yyyy"})
            try {
                LocalDateTime at = LocalDateTime.parse(after, DateTimeFormatter.ofPattern(form, Locale.ENGLISH));
                return Math.max(backoff, Duration.between(Instant.now(), at.toInstant(ZoneOffset.UTC)).toMillis() / 1000.0);
            } catch (DateTimeException next) { }
        return backoff;
    }

    static String call(String base, String secret, String operation, String ref, String amount) throws Exception {
        boolean writes = operation.equals("create"), unknown = false;
        int most = DEFECT.equals("no-cap") ? 8 : 3;
        long deadline = System.nanoTime() + 6_000_000_000L;
        for (int attempt = 0; ; attempt++) {
            double left = (deadline - System.nanoTime()) / 1e9;
            HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(base + "/payments" + (writes ? "" : "/" + ref)))
                .header("Authorization", "Bearer " + secret).header("X-Request-Id", ref);
            if (writes && !DEFECT.equals("unkeyed"))
                request.header("Idempotency-Key", DEFECT.equals("new-key") ? UUID.randomUUID().toString() : "key-" + ref + "-" + amount);
            if (writes) request.POST(HttpRequest.BodyPublishers.ofString("{\"reference\":\"" + ref + "\",\"amount\":" + amount + "}"));
            ApiError failure; String after = null; boolean again = true;
            CompletableFuture<HttpResponse<String>> sent = HTTP.sendAsync(request.build(), HttpResponse.BodyHandlers.ofString());
            try {
                HttpResponse<String> answer = DEFECT.equals("no-deadline") ? sent.get()
                    : sent.get((long) (1000 * Math.max(0.05, Math.min(1.0, left))), TimeUnit.MILLISECONDS);
                if (answer.statusCode() < 300) {
                    if (OBJECT.matcher(answer.body()).matches()) return answer.body();
                    throw new ApiError("Malformed", "no JSON object", writes ? "unknown" : "none");
                }
                unknown |= writes && answer.statusCode() >= 500;
                again = Set.of(429, 502, 503, 504).contains(answer.statusCode());
                after = answer.headers().firstValue("retry-after").orElse(null);
                failure = new ApiError("Refused", "answered " + answer.statusCode(), "none");
            } catch (TimeoutException | ExecutionException error) {
                sent.cancel(true);
                unknown |= writes;
                failure = new ApiError(error instanceof TimeoutException ? "Timeout" : "Lost", "no answer", "none");
            }
            double wait = pause(attempt, after);
            boolean late = !DEFECT.equals("no-deadline") && System.nanoTime() + wait * 1e9 > deadline;
            if (!again || attempt + 1 >= most || late || (wait > 5 && !DEFECT.equals("no-cap"))) {
                String more = DEFECT.equals("secret-in-error") ? " with Bearer " + secret : "";
                throw new ApiError(failure.kind, failure.getMessage() + more, unknown ? "unknown" : "none");
            }
            Thread.sleep((long) (wait * 1000));
        }
    }

    static String told(Exception error) {
        String kind = error instanceof ApiError api ? api.kind : error.getClass().getName();
        String effect = error instanceof ApiError api ? api.effect : "none", text = String.valueOf(error.getMessage()).replace("\\", "\\\\").replace("\"", "\\\"");
        return String.format("{\"type\":\"%s\",\"message\":\"%s\",\"effect\":\"%s\",\"dump\":\"%s\"}", kind, text, effect, text);
    }

    static synchronized void say(String line) { System.out.println(line); System.out.flush(); }

    static String field(String line, String name) {
        Matcher found = Pattern.compile("\"" + name + "\": ?(?:\"((?:\\\\.|[^\"\\\\])*)\"|([^\",}]+))").matcher(line);
        if (!found.find()) return null;
        return found.group(1) == null ? found.group(2) : found.group(1).replaceAll("\\\\(.)", "$1");
    }

    public static void main(String[] given) throws Exception {
        Map<String, String> env = System.getenv();
        if (env.containsKey("GALEPROOF_OPERATION")) {
            try {
                say(call(env.get("GALEPROOF_BASE_URL"), env.get("GALEPROOF_SECRET_API_KEY"), env.get("GALEPROOF_OPERATION"),
                    env.get("GALEPROOF_REF"), env.get("GALEPROOF_AMOUNT")));
            } catch (Exception error) {
                System.err.println(error.getMessage());
                say("{\"error\":" + told(error) + "}");
                System.exit(1);
            }
            System.exit(0);
        }
        ExecutorService pool = Executors.newCachedThreadPool();
        String base = null, secret = null;
        for (Scanner lines = new Scanner(System.in); lines.hasNextLine(); ) {
            String line = lines.nextLine(), openedBase = field(line, "base_url"), operation = field(line, "do");
            if (openedBase != null) {
                base = openedBase; secret = field(line, "api_key");
                say("{\"ready\":{\"operations\":{\"fetch\":\"read\",\"create\":\"write\"},\"library\":\"java.net.http\"}}");
            } else if (operation != null) {
                String b = base, s = secret, id = field(line, "id");
                pool.submit(() -> {
                    try { say("{\"id\":" + id + ",\"ok\":" + call(b, s, operation, field(line, "ref"), field(line, "amount")) + "}"); }
                    catch (Exception error) { say("{\"id\":" + id + ",\"error\":" + told(error) + "}"); }
                });
            } else if (line.contains("\"close\"")) System.exit(0);
        }
    }
}
