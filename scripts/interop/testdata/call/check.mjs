// What a page and a node do with each other, played by Node.js and by Chromium
// against the server of call_test.go. check returns what it saw, by name.
import { CallError, connect } from "@alknet/call";

export async function check({ url, tokens, WebSocket, WithHeader }) {
  const seen = {};
  const failure = (promise) =>
    promise.then(
      (value) => `no error: ${JSON.stringify(value)}`,
      (e) => (e instanceof CallError ? e.code : String(e)),
    );
  const base = WebSocket ? { WebSocket } : {};
  const page = {
    "page/greet": ({ name }) => `hello ${name}`,
    "page/count": { stream: async function* ({ n }) { for (let i = 1; i <= n; i++) yield i; } },
    "page/never": (_, { signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve((seen.stopped = "page/never")))),
  };

  seen.nobody = await failure(connect(url, base));
  seen.wrong = await failure(connect(url, { ...base, token: "alk_wrongwrongwrongwrongwrong" }));

  const node = await connect(url, { ...base, token: tokens.alice, operations: page });
  seen.whoami = await node.call("test/whoami");
  seen.other = await node.call("test/whoami", null, { authToken: tokens.bob });
  seen.anonymous = await failure(node.call("test/whoami", null, { authToken: "alk_none" }));
  seen.add = await node.call("test/add", { a: 2, b: 3 });
  seen.invalid = await failure(node.call("test/add", { a: "2" }));
  seen.missing = await failure(node.call("test/none"));
  seen.forbidden = await failure(node.call("secret/op"));
  seen.timeout = await failure(node.call("test/never", null, { timeoutMs: 50 }));
  const big = "é".repeat(3 << 20);
  seen.big = (await node.call("test/echo", big)) === big;
  seen.batch = (await node.batch([1, 2, 3].map((a) => ({ operation: "test/add", input: { a, b: a } })))).map((r) => r.output.sum);
  seen.list = (await node.list()).map((o) => o.name).filter((name) => name.startsWith("test/") || name.startsWith("secret/"));
  seen.schema = Object.keys((await node.schema("test/add")).input_schema.properties);

  seen.count = [];
  for await (const i of node.subscribe("test/count", { n: 3 })) seen.count.push(i);
  let items = 0;
  for await (const item of node.subscribe("test/flood", { size: 10_000 })) {
    if (item.pad.length === 10_000 && ++items === 3000) break;
  }
  seen.flood = items;
  const stop = new AbortController();
  const never = failure(node.call("test/never", null, { signal: stop.signal }));
  await node.call("test/running", { n: 1 });
  stop.abort();
  seen.aborted = await never;
  seen.stoppedThere = await node.call("test/stopped", { n: 3 });

  seen.greeted = await node.call("test/callback", { operation: "page/greet", input: { name: "node" } });
  seen.counted = await node.call("test/collect", { operation: "page/count", input: { n: 3 } });
  seen.unknownHere = await node.call("test/callback", { operation: "page/none" });
  seen.listedHere = await node.call("test/callback", { operation: "services/list", input: { after: "page/greet", limit: 1 } });
  await node.call("test/abandon", { operation: "page/never" });

  const twin = await connect(url, { ...base, token: tokens.alice });
  const pending = failure(twin.call("test/never"));
  await twin.close();
  seen.closed = await pending;
  seen.stoppedByClose = await node.call("test/stopped", { n: 4 });

  if (WithHeader) {
    const other = await connect(url, { WebSocket: WithHeader(tokens.bob) });
    seen.header = await other.call("test/whoami");
    await other.close();
  }
  await failure(node.call("test/revoke")); // the end may come before the answer
  await node.closed;
  seen.revoked = await failure(connect(url, { ...base, token: tokens.alice }));
  return seen;
}
