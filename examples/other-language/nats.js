// As much of the NATS protocol as a channel needs (https://docs.nats.io/reference/reference-protocols/nats-protocol).
// `npm install nats` gives you all of it; this is here to show how little that is.
'use strict';
const crypto = require('crypto');
const net = require('net');

exports.connect = ({ host = '127.0.0.1', port, user, pass, inbox }) => new Promise((resolve, reject) => {
  const socket = net.connect(port, host);
  const handlers = new Map(); // subscription to what is done with its messages
  const waiting = new Map(); // reply subject to who waits for it
  let received = Buffer.alloc(0);
  let subscriptions = 0;

  const publish = (subject, payload, { reply = '', headers = null } = {}) => {
    const body = Buffer.from(payload);
    const lines = headers && `NATS/1.0\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
    const sizes = headers ? `${Buffer.byteLength(lines)} ${Buffer.byteLength(lines) + body.length}` : `${body.length}`;
    socket.write(`${headers ? 'HPUB' : 'PUB'} ${subject} ${reply} ${sizes}\r\n${lines || ''}`);
    socket.write(body);
    socket.write('\r\n');
  };

  // Calls handler(payload, answer) for each message; members of a queue share them.
  const subscribe = (subject, handler, queue = '') => {
    handlers.set(`${++subscriptions}`, handler);
    socket.write(`SUB ${subject} ${queue} ${subscriptions}\r\n`);
  };

  // Publishes, and gives the answer. Fails when there is none in time.
  const request = (subject, payload, { headers = null, within = 5000 } = {}) => new Promise((done, failed) => {
    const reply = `${inbox}.${crypto.randomUUID()}`;
    const timer = setTimeout(() => { waiting.delete(reply); failed(new Error(`no answer on ${subject}`)); }, within);
    waiting.set(reply, (answer) => { clearTimeout(timer); waiting.delete(reply); done(answer); });
    publish(subject, payload, { reply, headers });
  });

  const take = (line, payload) => {
    const [, subject, id, ...rest] = line.split(' ');
    const reply = rest.length > (line[0] === 'H' ? 2 : 1) ? rest[0] : '';
    if (waiting.has(subject)) waiting.get(subject)(payload);
    else if (handlers.has(id)) handlers.get(id)(payload, (answer) => publish(reply, answer));
  };

  const read = () => {
    for (;;) {
      const end = received.indexOf('\r\n');
      if (end < 0) return;
      const line = received.toString('utf8', 0, end);
      const words = line.split(' ');
      let whole = end + 2;
      if (words[0] === 'MSG' || words[0] === 'HMSG') {
        const size = Number(words.at(-1));
        if (received.length < whole + size + 2) return;
        const begin = words[0] === 'HMSG' ? Number(words.at(-2)) : 0; // behind the headers
        const message = received.toString('utf8', whole + begin, whole + size);
        whole += size + 2;
        received = received.subarray(whole);
        take(line, message);
        continue;
      }
      received = received.subarray(whole);
      if (words[0] === 'INFO') {
        const options = { user, pass, verbose: false, headers: true, no_responders: true, lang: 'node', version: '0' };
        socket.write(`CONNECT ${JSON.stringify(options)}\r\nPING\r\n`);
      } else if (words[0] === 'PING') socket.write('PONG\r\n');
      else if (words[0] === 'PONG') {
        subscribe(`${inbox}.*`, () => {});
        resolve({ publish, subscribe, request });
      } else if (words[0] === '-ERR') console.error(line);
    }
  };

  socket.on('data', (data) => { received = Buffer.concat([received, data]); read(); });
  socket.on('error', reject);
  socket.on('close', () => { console.error('the connection to NATS is lost'); process.exit(1); });
});
