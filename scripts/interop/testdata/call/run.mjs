// node run.mjs '{"url":…,"tokens":…}'
import { check } from "./check.mjs";

const options = JSON.parse(process.argv[2]);
const WithHeader = (token) =>
  class extends WebSocket {
    constructor(url, protocols) {
      super(url, { protocols, headers: { authorization: `Bearer ${token}` } });
    }
  };
console.log(JSON.stringify(await check({ ...options, WithHeader })));
