// A channel in another language: customers write on standard input, answers appear on standard output. Put your
// provider there instead. A line in is {"id": "7", "from": "42", "text": "Hello"}. See docs/other-languages.md.
//
// It keeps nothing and may be killed at any moment: whoever wants it to run starts it again.
'use strict';
const crypto = require('crypto');
const readline = require('readline');
const nats = require('./nats.js');

const { WORKSPACE, CHANNEL, NATS_PORT = '4222', NATS_USER, NATS_PASSWORD } = process.env;
const IN = `tl.${WORKSPACE}.in.${CHANNEL}`; // what customers say, and what became of answers
const SEND = `tl.${WORKSPACE}.send.${CHANNEL}`; // what we are asked to send

// UUIDv7: 48 bits of time in front, then chance.
const newId = () => {
  const hex = Date.now().toString(16).padStart(12, '0') + '7' + crypto.randomBytes(10).toString('hex').slice(1);
  return hex.replace(/^(.{8})(.{4})(.{4}).(.{3})(.{12}).*$/, '$1-$2-$3-8$4-$5');
};

// Appends to IN, with the same id until the stream has acknowledged it. Then, and only then, it cannot be lost.
const store = async (bus, input, key) => {
  const id = crypto.createHash('sha256').update(JSON.stringify([CHANNEL, ...key])).digest('hex');
  for (;;) {
    try {
      const ack = JSON.parse(await bus.request(IN, JSON.stringify(input), { headers: { 'Nats-Msg-Id': id } }));
      if (ack.stream) return;
      console.error('refused:', ack.error.description); // the disk is full: nothing is stored, try again
    } catch (error) {
      console.error(error.message); // it may be stored or not: the id makes a repetition harmless
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
};

const toEnvelope = ({ id, from, text }) => ({
  v: 1,
  id: newId(),
  at: Date.now(),
  channel: CHANNEL,
  type: 'external',
  native_id: String(id), // the provider's own: the same when it delivers the message again
  address: `board:${CHANNEL}/${from}`,
  content: { kind: 'text', text },
});

// Sends one message, once. Trunkline has split and rendered it, and asks again only after `try_later`.
const send = (bus, { id, address, content }) => {
  const to = address.slice(address.indexOf('/') + 1);
  if (to === 'nobody') return { error: 'unreachable', code: 'unknown_user', message: 'There is nobody of that name.' };
  console.log(JSON.stringify({ to, text: content.text }));
  // What the provider tells later is a receipt, on IN. Here the customer reads at once.
  const receipt = { kind: 'receipt', outbound: id, state: 'delivered', at: Date.now() };
  setTimeout(() => store(bus, receipt, [id, receipt.state]), 100);
  return { sent: `board-${id}` };
};

const main = async () => {
  const bus = await nats.connect({ port: NATS_PORT, user: NATS_USER, pass: NATS_PASSWORD, inbox: `_INBOX.${CHANNEL}` });
  bus.subscribe(SEND, (question, answer) => {
    const { do: what, outbound } = JSON.parse(question);
    answer(JSON.stringify(what === 'send' ? send(bus, outbound) : {}));
  }, 'senders');
  for await (const line of readline.createInterface({ input: process.stdin })) { // one after the other: order is kept
    const message = JSON.parse(line);
    await store(bus, { kind: 'message', envelope: toEnvelope(message) }, [message.from, message.id]);
    console.error(`stored ${message.id}`); // now the provider may forget it
  }
};

main();
