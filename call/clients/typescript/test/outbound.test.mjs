import assert from "node:assert/strict";
import test from "node:test";
import { CallError } from "../dist/index.js";
import { FakeNode, settle } from "./fake.mjs";

const failure = (code, more = {}) => (error) => {
  assert.ok(error instanceof CallError, String(error));
  assert.equal(error.code, code);
  for (const [name, value] of Object.entries(more)) assert.deepEqual(error[name], value);
  return true;
};

test("a token goes as a subprotocol", async () => {
  const node = new FakeNode();
  await node.connect({ token: "alk_x" });
  assert.deepEqual(node.socket.protocols, ["alknet.call", "alknet.bearer.alk_x"]);
  assert.equal(node.socket.binaryType, "arraybuffer");
  await node.connect({ token: async () => "alk_y" });
  assert.deepEqual(node.socket.protocols, ["alknet.call", "alknet.bearer.alk_y"]);
});

test("a refused connection says nothing of the token", async () => {
  const node = new FakeNode();
  node.refuse = 1;
  await assert.rejects(node.connect({ token: "alk_secret" }), (e) => failure("INTERNAL")(e) && !String(e.stack).includes("alk_secret"));
});

test("a call and its answer", async () => {
  const node = new FakeNode();
  const client = await node.connect();
  const answer = client.call("math/add", { a: 2 }, { authToken: "alk_t" });
  const { id, ...rest } = await node.socket.next();
  assert.deepEqual(rest, { type: "call.requested", payload: { operationId: "/math/add", input: { a: 2 }, auth_token: "alk_t" } });
  node.socket.say("responded", "another", { output: 1 });
  node.socket.say("responded", id, { output: { sum: 2 }, more: 1 });
  assert.deepEqual(await answer, { sum: 2 });
});

test("what ends a call", async (t) => {
  for (const [name, say, code, more] of [
    ["error", ["error", { code: "QUOTA", message: "m", retryable: true, details: { n: 1 } }], "QUOTA", { message: "m", retryable: true, details: { n: 1 } }],
    ["error without members", ["error", { code: "FORBIDDEN" }], "FORBIDDEN", { message: "", retryable: false, details: undefined }],
    ["error that is none", ["error", { message: "m" }], "INTERNAL", { retryable: false }],
    ["completed", ["completed", {}], "INTERNAL", {}],
    ["aborted", ["aborted", {}], "INTERNAL", {}],
  ]) {
    await t.test(name, async () => {
      const node = new FakeNode();
      const client = await node.connect();
      const answer = client.call("a/b");
      const { id, payload } = await node.socket.next();
      assert.equal(payload.input, null);
      node.socket.say(say[0], id, say[1]);
      await assert.rejects(answer, failure(code, more));
    });
  }
});

test("a missing output is null", async () => {
  const node = new FakeNode();
  const client = await node.connect();
  const answer = client.call("a/b");
  node.socket.say("responded", (await node.socket.next()).id, []);
  assert.equal(await answer, null);
});

test("a signal and a timeout abort", async () => {
  const node = new FakeNode();
  const client = await node.connect();
  const stop = new AbortController();
  const stopped = client.call("a/b", 1, { signal: stop.signal });
  const { id } = await node.socket.next();
  stop.abort("why");
  await assert.rejects(stopped, failure("INTERNAL", { cause: "why" }));
  assert.deepEqual(await node.socket.next(), { type: "call.aborted", id, payload: {} });
  const late = client.call("a/b", 1, { timeoutMs: 1 });
  const second = await node.socket.next();
  await assert.rejects(late, failure("TIMEOUT", { retryable: true }));
  assert.deepEqual(await node.socket.next(), { type: "call.aborted", id: second.id, payload: {} });
  await assert.rejects(client.call("a/b", 1, { signal: stop.signal }), failure("INTERNAL"));
  assert.deepEqual(node.socket.sent, [], "what was aborted before is never sent");
});

test("a second answer to a call is a subscription's, and aborted", async () => {
  const node = new FakeNode();
  const client = await node.connect();
  const answer = client.call("a/b");
  const { id } = await node.socket.next();
  node.socket.say("responded", id, { output: 1 });
  node.socket.say("responded", id, { output: 2 });
  assert.equal(await answer, 1);
  assert.deepEqual(await node.socket.next(), { type: "call.aborted", id, payload: {} });
});

test("input that the wire has no room for fails here", async () => {
  const node = new FakeNode();
  const client = await node.connect();
  let deep = 1;
  for (let i = 0; i < 127; i++) deep = [deep];
  for (const input of ["\ud800", deep, 1n, { "\udfff": 1 }]) {
    await assert.rejects(client.call("a/b", input), failure("INVALID_INPUT"));
  }
  for (const input of [deep[0], "\\ud800", "😀", '"[[']) {
    client.call("a/b", input).catch(() => {});
    assert.deepEqual((await node.socket.next()).payload.input, input);
  }
});

test("a subscription", async () => {
  const node = new FakeNode();
  const client = await node.connect();
  const items = client.subscribe("a/ticks", { n: 2 });
  await settle();
  assert.equal(node.socket.sent.length, 0, "nothing is sent before the loop");
  const got = [];
  const loop = (async () => {
    for await (const item of items) got.push(item);
  })();
  const { id, payload } = await node.socket.next();
  assert.deepEqual(payload, { operationId: "/a/ticks", input: { n: 2 }, window: 1 << 20 });
  node.socket.say("responded", id, { output: 1 });
  node.socket.say("responded", id, { output: 2 });
  node.socket.say("completed", id);
  await loop;
  assert.deepEqual(got, [1, 2]);
  assert.equal(node.socket.sent.length, 0);
});

test("leaving a loop aborts", async () => {
  const node = new FakeNode();
  const client = await node.connect();
  const loop = (async () => {
    for await (const item of client.subscribe("a/ticks")) return item;
  })();
  const { id } = await node.socket.next();
  node.socket.say("responded", id, { output: 1 });
  node.socket.say("responded", id, { output: 2 });
  assert.equal(await loop, 1);
  assert.deepEqual(await node.socket.next(), { type: "call.aborted", id, payload: {} });
});

test("return() frees a next() that waits", async () => {
  const node = new FakeNode();
  const client = await node.connect();
  const iterator = client.subscribe("a/ticks")[Symbol.asyncIterator]();
  const next = iterator.next();
  const { id } = await node.socket.next();
  await iterator.return();
  assert.equal((await next).done, true);
  assert.deepEqual(await node.socket.next(), { type: "call.aborted", id, payload: {} });
  assert.equal((await iterator.next()).done, true);
});

test("what ends a subscription", async () => {
  for (const end of ["error", "signal", "connection"]) {
    const node = new FakeNode();
    const client = await node.connect();
    const stop = new AbortController();
    const got = [];
    const loop = (async () => {
      for await (const item of client.subscribe("a/ticks", null, { signal: stop.signal })) got.push(item);
    })();
    const { id } = await node.socket.next();
    node.socket.say("responded", id, { output: 1 });
    await settle();
    if (end === "error") node.socket.say("error", id, { code: "QUOTA", message: "m", retryable: false });
    if (end === "signal") stop.abort();
    if (end === "connection") node.socket.drop(1006);
    await assert.rejects(loop, failure(end === "error" ? "QUOTA" : "INTERNAL"));
    assert.deepEqual(got, [1]);
    assert.deepEqual(node.socket.sent.map((m) => m.type), end === "signal" ? ["call.aborted"] : []);
  }
});

test("a slow loop gets what was queued and a declared error", async () => {
  const node = new FakeNode();
  const client = await node.connect({ queueBytes: 1000 });
  const iterator = client.subscribe("a/ticks")[Symbol.asyncIterator]();
  const first = iterator.next();
  const { id, payload } = await node.socket.next();
  assert.equal(payload.window, 250);
  const pad = "x".repeat(300);
  for (let i = 0; i < 5; i++) node.socket.say("responded", id, { output: { i, pad } });
  assert.deepEqual(await node.socket.next(), { type: "call.aborted", id, payload: {} });
  assert.equal((await first).value.i, 0);
  let last = 0;
  await assert.rejects(async () => {
    for (;;) last = (await iterator.next()).value.i;
  }, failure("INTERNAL", { retryable: true }));
  assert.ok(last < 4, `item ${last}`);
  assert.equal((await iterator.next()).done, true);
});

test("credit is given back as the loop goes on", async () => {
  const node = new FakeNode();
  const client = await node.connect({ queueBytes: 4000 });
  const iterator = client.subscribe("a/ticks")[Symbol.asyncIterator]();
  const first = iterator.next();
  const { id } = await node.socket.next();
  const text = JSON.stringify({ type: "call.responded", id, payload: { output: "y".repeat(600) } });
  node.socket.raw(text);
  await first;
  assert.deepEqual(await node.socket.next(), { type: "call.credit", id, payload: { bytes: text.length } });
});

test("a batch keeps its order, and the failures in it", async () => {
  const node = new FakeNode();
  const client = await node.connect();
  const results = client.batch([{ operation: "a/one" }, { operation: "a/two", input: 2 }]);
  const [one, two] = [await node.socket.next(), await node.socket.next()];
  node.socket.say("responded", two.id, { output: 2 });
  node.socket.say("error", one.id, { code: "NOT_FOUND", message: "", retryable: false });
  const [first, second] = await results;
  assert.equal(first.error.code, "NOT_FOUND");
  assert.deepEqual(second, { ok: true, output: 2 });
});

test("list follows its pages", async () => {
  const node = new FakeNode();
  const client = await node.connect();
  const all = client.list();
  const one = await node.socket.next();
  assert.deepEqual(one.payload.input, { limit: 500 });
  node.socket.say("responded", one.id, { output: { operations: [{ name: "a/b" }], next: "a/b" } });
  const two = await node.socket.next();
  assert.deepEqual(two.payload.input, { limit: 500, after: "a/b" });
  node.socket.say("responded", two.id, { output: { operations: [{ name: "a/c" }] } });
  assert.deepEqual((await all).map((o) => o.name), ["a/b", "a/c"]);
});

test("malformed messages end the connection", async (t) => {
  for (const text of ["", "x", "[]", "null", "{}", '{"type":"call.responded","id":"1"}', '{"type":1,"id":"1","payload":{}}',
    '{"Type":"call.error","id":"1","payload":{}}', `{"type":"call.error","id":"${"i".repeat(257)}","payload":{}}`, "\ufeff{}"]) {
    await t.test(JSON.stringify(text).slice(0, 60), async () => {
      const node = new FakeNode();
      const client = await node.connect();
      const answer = client.call("a/b");
      node.socket.raw(text);
      await assert.rejects(answer, failure("INTERNAL"));
      assert.equal(node.socket.closed.code, 4002);
      assert.equal((await client.closed).code, 4002);
    });
  }
  await t.test("text", async () => {
    const node = new FakeNode();
    const client = await node.connect();
    node.socket.dispatchEvent(Object.assign(new Event("message"), { data: "{}" }));
    assert.equal((await client.closed).code, 4002);
  });
  await t.test("invalid UTF-8", async () => {
    const node = new FakeNode();
    const client = await node.connect();
    node.socket.dispatchEvent(Object.assign(new Event("message"), { data: new Uint8Array([0x22, 0xff, 0x22]).buffer }));
    assert.equal((await client.closed).code, 4002);
  });
});

test("unknown events are ignored", async () => {
  const node = new FakeNode();
  const client = await node.connect();
  node.socket.raw('{"type":"call.paused","id":"1","payload":7}');
  node.socket.raw('{"type":"call.aborted","id":"1","payload":null,"v":2}');
  node.socket.say("credit", "1", { bytes: 3 });
  const answer = client.call("a/b");
  node.socket.say("responded", (await node.socket.next()).id, { output: 1 });
  assert.equal(await answer, 1);
});

test("close fails what is in flight", async () => {
  const node = new FakeNode();
  const client = await node.connect();
  const answer = client.call("a/b");
  const info = client.close();
  await assert.rejects(answer, failure("INTERNAL"));
  assert.equal((await info).code, 1000);
  await assert.rejects(client.call("a/b"), failure("INTERNAL"));
});

test("a lost connection is dialled again", async () => {
  const node = new FakeNode();
  const client = await node.connect({ reconnect: { minDelayMs: 1, maxDelayMs: 2 }, operations: { "page/title": () => "t" } });
  const lost = client.call("a/b");
  node.refuse = 2;
  node.socket.drop(1006);
  await assert.rejects(lost, failure("INTERNAL"));
  const later = client.call("a/c");
  await assert.rejects(client.call("a/d", null, { timeoutMs: 0 }), failure("TIMEOUT"));
  while (node.sockets.length < 4) await settle();
  const { id, payload } = await node.socket.next();
  assert.equal(payload.operationId, "/a/c");
  node.socket.say("responded", id, { output: 1 });
  assert.equal(await later, 1);
  node.socket.say("requested", "r", { operationId: "/page/title" });
  assert.deepEqual((await node.socket.next()).payload, { output: "t" });
  await client.close();
  assert.equal(node.sockets.length, 4);
});
