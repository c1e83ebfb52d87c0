import { afterEach } from "node:test";
import { connect } from "../dist/index.js";

const clients = [];
afterEach(() => clients.splice(0).forEach((client) => client.close()));

/** The node's end of fake sockets: what the client sent, and a way to answer. */
export class FakeNode {
  sockets = [];
  bufferedAmount = 0;
  refuse = 0;

  /** A WebSocket class that connects to this node. */
  get WebSocket() {
    const node = this;
    return class extends FakeSocket {
      constructor(url, protocols) {
        super(node, url, protocols);
      }
    };
  }

  get socket() {
    return this.sockets.at(-1);
  }

  async connect(options = {}) {
    const client = await connect("ws://node/alknet/call", { WebSocket: this.WebSocket, ...options });
    clients.push(client);
    return client;
  }
}

class FakeSocket extends EventTarget {
  sent = [];
  waiting = [];

  constructor(node, url, protocols) {
    super();
    Object.assign(this, { node, url, protocols });
    node.sockets.push(this);
    queueMicrotask(() => (node.refuse-- > 0 ? this.drop(1006) : this.dispatchEvent(new Event("open"))));
  }

  get bufferedAmount() {
    return this.node.bufferedAmount;
  }

  send(data) {
    const message = JSON.parse(new TextDecoder().decode(data));
    const waiter = this.waiting.shift();
    waiter ? waiter(message) : this.sent.push(message);
  }

  /** The next message of the client. */
  next() {
    return this.sent.length > 0 ? Promise.resolve(this.sent.shift()) : new Promise((resolve) => this.waiting.push(resolve));
  }

  close(code = 1005, reason = "") {
    this.closed = { code, reason };
    queueMicrotask(() => this.drop(code, reason));
  }

  drop(code, reason = "") {
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
  }

  /** Sends the client text as a binary message. */
  raw(text) {
    this.dispatchEvent(Object.assign(new Event("message"), { data: new TextEncoder().encode(text).buffer }));
  }

  say(type, id, payload = {}) {
    this.raw(JSON.stringify({ type: `call.${type}`, id, payload }));
  }
}

/** Lets everything that can go on go on. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));
