import assert from "node:assert/strict";
import test from "node:test";
import { CallError } from "../dist/index.js";
import { FakeNode, settle } from "./fake.mjs";

async function offering(operations, options = {}) {
  const node = new FakeNode();
  const client = await node.connect({ operations, ...options });
  return { client, node, socket: node.socket };
}

async function ask(socket, operationId, input, id = "1") {
  socket.say("requested", id, { operationId, input });
  const { type, id: answered, payload } = await socket.next();
  assert.equal(answered, id);
  return [type.slice("call.".length), payload];
}

test("the node calls", async () => {
  const { client, socket } = await offering({ "page/add": ({ a, b }) => ({ sum: a + b }), "page/nothing": () => {} });
  client.handle("page/later", async (input, { operation }) => [operation, input], { type: "mutation" });
  assert.deepEqual(await ask(socket, "/page/add", { a: 1, b: 2 }), ["responded", { output: { sum: 3 } }]);
  assert.deepEqual(await ask(socket, "page/later"), ["responded", { output: ["page/later", null] }]);
  assert.deepEqual(await ask(socket, "/page/nothing"), ["responded", { output: null }]);
  for (const name of ["/page/none", "//page/add", undefined, 7]) {
    const [type, error] = await ask(socket, name);
    assert.deepEqual([type, error.code, error.retryable], ["error", "NOT_FOUND", false]);
  }
});

test("what a handler throws", async () => {
  const fail = (error) => () => {
    throw error;
  };
  const { socket } = await offering({
    "a/declared": { handle: fail(new CallError("QUOTA", "m", { retryable: true, details: { n: 1 } })), errors: [{ code: "QUOTA" }] },
    "a/undeclared": fail(new CallError("NOT_FOUND", "m", { details: 7 })),
    "a/crash": fail(new Error("private")),
    "a/internal": fail(new CallError("INTERNAL", "m")),
    "a/unsendable": () => "\ud800",
    "a/unsendable-details": fail(new CallError("INTERNAL", "m", { details: 1n })),
  });
  assert.deepEqual(await ask(socket, "/a/declared"), ["error", { code: "QUOTA", message: "m", retryable: true, details: { n: 1 } }]);
  assert.deepEqual(await ask(socket, "/a/undeclared"), [
    "error",
    { code: "INTERNAL", message: "m", retryable: false, details: { code: "NOT_FOUND", message: "m", details: 7 } },
  ]);
  assert.deepEqual(await ask(socket, "/a/internal"), ["error", { code: "INTERNAL", message: "m", retryable: false }]);
  for (const name of ["a/crash", "a/unsendable", "a/unsendable-details"]) {
    const [type, error] = await ask(socket, name);
    assert.deepEqual([type, error.code], ["error", "INTERNAL"]);
    assert.ok(!JSON.stringify(error).includes("private"));
  }
});

test("input is checked first", async () => {
  let ran = false;
  const { socket } = await offering({
    "a/b": { input: { type: "string" }, check: (v) => (typeof v === "string" ? undefined : "not a string"), handle: () => (ran = true) },
  });
  const [type, error] = await ask(socket, "/a/b", 7);
  assert.deepEqual([type, error.code, ran], ["error", "INVALID_INPUT", false]);
  assert.equal((await ask(socket, "/a/b", "x"))[0], "responded");
});

test("operations that cannot be", async () => {
  const { client } = await offering({ "a/b": () => 1 });
  assert.throws(() => client.handle("a/b", () => 1), /exists/);
  assert.throws(() => client.handle("services/list", () => 1), /exists/);
  assert.throws(() => client.handle("ab", () => 1), /components/);
  assert.throws(() => client.handle("a/c", () => 1, { input: {} }), /check/);
  assert.throws(() => client.handle("a/c", () => 1, { errors: [{ code: "TIMEOUT" }] }), /protocol/);
});

test("an id in flight is not taken twice", async () => {
  let release;
  const { socket } = await offering({ "a/held": () => new Promise((resolve) => (release = resolve)) });
  socket.say("requested", "1", { operationId: "/a/held" });
  await settle();
  assert.equal((await ask(socket, "/a/held"))[1].code, "INVALID_INPUT");
  release(5);
  assert.deepEqual((await socket.next()).payload, { output: 5 });
});

test("aborts, timeouts and the end of the connection stop handlers", async () => {
  const stopped = [];
  const held = (name, { signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve(stopped.push(name))));
  const { client, socket } = await offering({ "a/held": held }, { timeoutMs: 40 });
  socket.say("requested", "1", { operationId: "/a/held", input: "aborted" });
  await settle();
  socket.say("aborted", "1");
  await settle();
  assert.deepEqual(stopped, ["aborted"]);
  assert.equal((await ask(socket, "/a/held", "timeout", "2"))[1].code, "TIMEOUT");
  assert.deepEqual(stopped, ["aborted", "timeout"]);
  socket.say("requested", "3", { operationId: "/a/held", input: "closed" });
  await settle();
  await client.close();
  assert.deepEqual(stopped, ["aborted", "timeout", "closed"]);
  assert.deepEqual(socket.sent, []);
});

test("the cap on calls", async () => {
  const { socket } = await offering({ "a/held": () => new Promise(() => {}) }, { maxInFlight: 1 });
  socket.say("requested", "1", { operationId: "/a/held" });
  const [type, error] = await ask(socket, "/a/held", null, "2");
  assert.deepEqual([type, error.code, error.retryable], ["error", "INTERNAL", true]);
});

test("subscriptions", async () => {
  let ended = false;
  const { client, socket } = await offering({
    "a/count": {
      stream: async function* ({ n }) {
        try {
          for (let i = 1; i <= n; i++) yield i;
          if (n === 3) throw new CallError("QUOTA", "m");
        } finally {
          ended = true;
        }
      },
      errors: [{ code: "QUOTA" }],
    },
  });
  client.handleStream("a/forever", async function* (_, { signal }) {
    yield 1;
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  });
  const answers = async (count) => Promise.all(Array.from({ length: count }, async () => (await socket.next()).type));
  socket.say("requested", "1", { operationId: "/a/count", input: { n: 2 } });
  assert.deepEqual(await answers(3), ["call.responded", "call.responded", "call.completed"]);
  socket.say("requested", "1", { operationId: "/a/count", input: { n: 3 } });
  assert.deepEqual(await answers(4), ["call.responded", "call.responded", "call.responded", "call.error"]);
  ended = false;
  socket.say("requested", "1", { operationId: "/a/count", input: { n: 1e9 }, window: 1 });
  assert.deepEqual(await answers(1), ["call.responded"]);
  socket.say("aborted", "1");
  await settle();
  assert.equal(ended, true);
  socket.say("requested", "2", { operationId: "/a/forever" });
  assert.deepEqual(await answers(1), ["call.responded"]);
  socket.say("aborted", "2");
  await settle();
  assert.deepEqual(socket.sent, []);
});

test("subscriptions wait for credit, and for the socket", async () => {
  let made = 0;
  const { node, socket } = await offering({
    "a/many": {
      stream: async function* () {
        for (;;) yield (made++, "x".repeat(100));
      },
    },
  });
  socket.say("requested", "1", { operationId: "/a/many", window: 300 });
  await settle();
  await settle();
  const before = socket.sent.length;
  assert.ok(before >= 2 && before <= 4 && made <= before + 1, `${before} of ${made}`);
  node.bufferedAmount = 2 << 20;
  socket.say("credit", "1", { bytes: 1 << 20 });
  await settle();
  assert.equal(socket.sent.length, before);
  node.bufferedAmount = 0;
  socket.say("credit", "1", { bytes: 0 });
  while (socket.sent.length < before + 10) await settle();
  socket.say("aborted", "1");
});

test("discovery", async () => {
  const { socket } = await offering({
    "b/x": { description: "An x.", type: "mutation", handle: () => 1, errors: [{ code: "Q", httpStatus: 429 }] },
    "a/s": { stream: async function* () {} },
  });
  const [, { output: all }] = await ask(socket, "/services/list", 7);
  assert.deepEqual(all.operations.map((o) => o.name), ["a/s", "b/x", "services/list", "services/schema"]);
  assert.deepEqual(all.operations[1], { name: "b/x", namespace: "b", op_type: "mutation", description: "An x." });
  assert.deepEqual(all.protocol, { concurrent: true });
  assert.ok(!("next" in all));
  const [, { output: page }] = await ask(socket, "/services/list", { limit: 1, after: "a/s" });
  assert.deepEqual([page.operations.map((o) => o.name), page.next], [["b/x"], "b/x"]);
  const [, { output: schema }] = await ask(socket, "/services/schema", { name: "/b/x" });
  assert.deepEqual(schema, {
    name: "b/x", namespace: "b", op_type: "mutation", description: "An x.", visibility: "external", input_schema: true, output_schema: true,
    error_schemas: [{ code: "Q", description: "", schema: true, http_status: 429 }],
    access_control: { required_scopes: [], required_scopes_any: null, resource_type: null, resource_action: null },
  });
  assert.equal((await ask(socket, "/services/schema", { name: "b/none" }))[1].code, "NOT_FOUND");
  assert.equal((await ask(socket, "/services/schema"))[1].code, "INVALID_INPUT");
});
