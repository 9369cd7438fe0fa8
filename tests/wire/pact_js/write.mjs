// Pacts that pact-js writes, one a specification version: node write.mjs FOLDER
import { writeFileSync } from "node:fs";
import { MatchersV2, MatchersV3, PactV2, PactV3, PactV4, SpecificationVersion } from "@pact-foundation/pact";

const dir = process.argv[2];
const png = Buffer.from("89504e470d0a1a0a0000000d4948445200000001000000010806000000", "hex");
const json = { "Content-Type": "application/json" };

async function two() {
  const { like, eachLike, term } = MatchersV2;
  const pact = new PactV2({ consumer: "web2", provider: "things", dir, logLevel: "error" });
  await pact.setup();
  await pact.addInteraction({
    state: "there is one", uponReceiving: "two",
    withRequest: { method: "GET", path: "/two", query: { a: "1", b: "x y" } },
    willRespondWith: { status: 200, headers: json,
      body: { id: like(1), name: term({ generate: "abc", matcher: "^[a-z]+$" }), list: eachLike({ n: like(1) }) } },
  });
  await fetch(`${pact.mockService.baseUrl}/two?a=1&b=x%20y`);
  await pact.verify();
  await pact.finalize();
}

async function three() {
  const M = MatchersV3;
  const pact = new PactV3({ consumer: "web3", provider: "things", dir, logLevel: "error" });
  pact.given("there are", { n: 2, names: "a,b" }).given("it is day").uponReceiving("three")
    .withRequest({ method: "POST", path: "/three", query: { q: ["1", "2"] }, headers: { ...json, "X-L": "p" },
      body: { n: M.integer(1) } })
    .willRespondWith({ status: 200, headers: json,
      body: { i: M.integer(1), d: M.decimal(1.5), n: M.number(3), b: M.boolean(true), z: M.nullValue(),
        s: M.string("x"), t: M.date("yyyy-MM-dd", "2026-01-01"), l: M.atLeastOneLike(M.integer(1)),
        r: M.regex("[a-z]+", "abc"), u: M.uuid("3f2504e0-4f89-41d3-9a0c-0305e82c3301"), e: "same" } });
  await pact.executeTest(async (server) => {
    await fetch(`${server.url}/three?q=1&q=2`, { method: "POST", headers: { ...json, "X-L": "p" }, body: '{"n":4}' });
  });
}

async function four() {
  const M = MatchersV3;
  const pact = new PactV4({ consumer: "web4", provider: "things", dir, logLevel: "error",
    spec: SpecificationVersion.SPECIFICATION_VERSION_V4 });
  await pact.addInteraction().given("it is day").uponReceiving("four")
    .withRequest("PUT", "/four", (b) => b.query({ page: "1" }).headers({ "X-L": M.like("p") })
      .jsonBody({ n: M.like(1) }))
    .willRespondWith(200, (b) => b.headers(json).jsonBody({ id: M.like("a"), many: M.eachLike({ n: M.integer(1) }) }))
    .executeTest(async (server) => {
      await fetch(`${server.url}/four?page=1`, { method: "PUT", headers: { ...json, "X-L": "q" }, body: '{"n":4}' });
    });
  await pact.addInteraction().uponReceiving("four, binary")
    .withRequest("POST", "/bytes", (b) => b.binaryFile("image/png", `${dir}/picture.png`))
    .willRespondWith(200)
    .executeTest(async (server) => {
      await fetch(`${server.url}/bytes`, { method: "POST", headers: { "Content-Type": "image/png" }, body: png });
    });
}

writeFileSync(`${dir}/picture.png`, png);
await two();
await three();
await four();
