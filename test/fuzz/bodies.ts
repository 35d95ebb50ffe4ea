import type { Random } from '../chaos/random.ts';
import { goodBody } from './stage.ts';

type Fields = Record<string, unknown>;
type Break = (body: Fields, random: Random) => void;

const nested = (depth: number): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? { a: value } : [value];
  return value;
};
const set =
  (name: string, ...values: readonly [unknown, ...unknown[]]): Break =>
  (body, random) =>
    void (body[name] = random.pick(values));
const without =
  (...names: readonly string[]): Break =>
  (body) => {
    for (const name of names) delete body[name];
  };
const noText = [7, true, [], {}, ['x'], 1e300] as const;
const noTime = [true, [], {}, 'yesterday', '', '2026-13-01T00:00:00Z', '2026-01-01', 1.5, -1e20, 1e300, 'NaN'] as const;
const noName = [
  '',
  '.',
  'a..b',
  '-a.example',
  'a b.example',
  'x'.repeat(300),
  'a.*.example',
  'http://a.example',
  '\u0000',
  'a/b.example',
  '[::1]',
  '127.0.0.1:443',
] as const;

/** Ways to break one rule of the contract each, whatever else the body says. */
const breaks: readonly [Break, ...Break[]] = [
  set('source', 'x', ' x ', 'x'.repeat(81), ...noText, null),
  set('source', 'another-source'),
  set('clusterId', 'x', '', 'x'.repeat(121), ...noText, null),
  set('clusterId', 'us-9'),
  set('sourceEventId', '', 'xx', 'x'.repeat(201), ...noText, null),
  set('domain', ...noName, ...noText, null),
  set('domainId', '', 'x', '00000000-0000-0000-0000-00000000000', ...noText, null),
  set('domainId', '01890a5d-ac96-774b-bcce-b302099a8057', '00000000-0000-4000-8000-000000000000'),
  set('eventType', '', 'renewal_SUCCEEDED', 'toString', '__proto__', ...noText, null),
  set('callbackClass', 'issuance', 'renewal', 'nothing', 7, null),
  set('callbackAction', 'failed', 'succeeded', '', {}, null),
  (body, random) =>
    void Object.assign(body, {
      eventType: 'certificate_expiring',
      callbackClass: random.pick(['issuance', 'renewal', 'deployment']),
      callbackAction: random.pick(['succeeded', 'failed']),
    }),
  set('callbackAttempt', 0, 101, -1, 1.5, '3', null, [], 1e300),
  ...['callbackReceivedAt', 'notBefore', 'notAfter', 'renewalDueAt', 'occurredAt'].map((name) => set(name, ...noTime)),
  (body) => void (body['occurredAt'] = Date.now() + 3_600_000),
  set('certificateRef', 'x'.repeat(256), ...noText, null),
  set('reason', 'x'.repeat(4001), ...noText, null),
  set('payload', 1, 'x', [], true, null),
  set('payload', { a: nested(40) }, { a: nested(2000) }),
  (body, random) => void (body[random.pick(['reason', 'certificateRef', 'sourceEventId'])] = 'a\u0000bc'),
  (body, random) => void (body['payload'] = random.chance(0.5) ? { '\u0000': 1 } : { a: { b: ['x\u0000'] } }),
  without('domain', 'domainId'),
  without('eventType'),
];

/** A body that breaks at least one rule of the contract; JSON all the same. */
export const brokenBody = (random: Random): string => {
  const body = goodBody(random);
  random.pick(breaks)(body, random);
  return JSON.stringify(body);
};

const textBreaks: readonly [
  (json: string, random: Random) => Uint8Array,
  ...((json: string, random: Random) => Uint8Array)[],
] = [
  (json, random) => Buffer.from(json.slice(0, random.between(0, json.length - 1))),
  (json) => Buffer.from(`${json.slice(0, -1)},}`),
  (json) => Buffer.from(`${json}${json}`),
  (json, random) => Buffer.from(`${json}${random.pick(['x', ',', ']', '}', '\u0000', '//'])}`),
  (json) => Buffer.from(json.replaceAll('"', "'")),
  (json) => Buffer.from(`\ufeff${json}`),
  (json) => Buffer.from(json, 'utf16le'),
  (json, random) => {
    const bytes = Buffer.from(json);
    const bad = random.pick([[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82], [0x80]]);
    const at = json.indexOf('sourceEventId') + 16;
    return Buffer.concat([bytes.subarray(0, at), Buffer.from(bad), bytes.subarray(at)]);
  },
  (json, random) =>
    Buffer.from(
      json.replace(
        '{',
        `{"x":${random.pick(['NaN', 'Infinity', '0x10', '01', '+1', '.5', '1.', "'a'", 'undefined', '1e', '-'])},`,
      ),
    ),
  (json, random) =>
    Buffer.from(json.replace('{', `{"x":"${random.pick(['\n', '\t', '\\x41', '\\u12', '\\', '\u0001'])}",`)),
  (json, random) =>
    Buffer.from(random.pick(['', ' ', 'null', 'true', '7', '"x"', '[]', `[${json}]`, '[[[[', '{', '{"', '\u0000'])),
  (json, random) => Buffer.from('['.repeat(random.pick([33, 1000, 100_000])) + json),
  (json, random) => Buffer.from(`{"a":`.repeat(random.pick([33, 500, 20_000])) + json),
  (json) => Buffer.from(`/* ${json} */${json}`),
];

/** Bytes that are no JSON object in UTF-8, or one too deep. */
export const brokenText = (random: Random): Uint8Array =>
  random.pick(textBreaks)(JSON.stringify(goodBody(random)), random);

const atoms: readonly [unknown, ...unknown[]] = [
  null,
  true,
  false,
  0,
  -0,
  1,
  -1,
  1.5,
  1e21,
  1e308,
  -1e-308,
  2 ** 53,
  2 ** 53 + 2,
  1_900_000_000_000,
  '',
  ' ',
  'x',
  'shop.example.com',
  '*.example.com',
  'xn--nxasmq6b.example',
  'BÜCHER.example',
  'a'.repeat(5000),
  '\ud800',
  '\udc00x',
  '\u0000',
  '\u202e',
  '2026-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999999999Z',
  '0000-01-01T00:00:00+23:59',
  '__proto__',
  'constructor',
  'renewal_failed',
  'issuance',
  'failed',
];

/** Any JSON value, some of them odd. */
export const anyValue = (random: Random, depth = 3): unknown => {
  if (depth === 0 || random.chance(0.6)) return random.pick(atoms);
  const size = random.between(0, 4);
  if (random.chance(0.5)) return Array.from({ length: size }, () => anyValue(random, depth - 1));
  const entries = Array.from(
    { length: size },
    () => [String(random.pick(atoms)), anyValue(random, depth - 1)] as const,
  );
  return Object.fromEntries(entries);
};

const fields: readonly [string, ...string[]] = [
  'source',
  'clusterId',
  'sourceEventId',
  'domainId',
  'domain',
  'eventType',
  'callbackClass',
  'callbackAction',
  'callbackAttempt',
  'callbackReceivedAt',
  'notBefore',
  'notAfter',
  'renewalDueAt',
  'occurredAt',
  'certificateRef',
  'reason',
  'payload',
  '__proto__',
  'toJSON',
  'x',
];

/** A good body with some fields set to anything, members given twice, strings escaped anew: it may be accepted or not. */
export const oddBody = (random: Random): Uint8Array => {
  const body = goodBody(random);
  const changes = Array.from({ length: random.between(1, 3) }, () => [random.pick(fields), anyValue(random)] as const);
  let json = JSON.stringify({ ...body, ...Object.fromEntries(changes) });
  if (random.chance(0.2)) json = json.replace('{', `{"${random.pick(fields)}":${JSON.stringify(anyValue(random))},`);
  if (random.chance(0.2))
    json = json.replaceAll(/[a-z]/g, (c) =>
      random.chance(0.1) ? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}` : c,
    );
  if (random.chance(0.2)) json = json.replaceAll(',', () => random.pick([',', ' ,\n', '\t,\r\n ']));
  return Buffer.from(json);
};
