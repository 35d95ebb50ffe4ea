import type { Random } from '../chaos/random.ts';
import { brokenBody, brokenText } from './bodies.ts';
import { mutated } from './mutate.ts';
import { adminToken, ingestPath, signedHeaders } from './stage.ts';

/** Bytes to be sent, and what may not come of them. */
export interface Attack {
  readonly kind: string;
  readonly bytes: Buffer;
  /** The bytes may end anywhere: nothing follows them on their connection. */
  readonly last: boolean;
  /** It breaks a rule by itself: never 2xx. Others may turn out to mean the same as the good request they are made from. */
  readonly broken: boolean;
}

type Header = readonly [name: string, value: string];

const requestOf = (first: string, headers: readonly Header[], body: Uint8Array): Buffer =>
  Buffer.concat([
    Buffer.from(`${[first, ...headers.map(([name, value]) => `${name}: ${value}`)].join('\r\n')}\r\n\r\n`, 'latin1'),
    body,
  ]);

const headersFor = (body: Uint8Array, at: number): Header[] => [
  ['host', '127.0.0.1'],
  ['content-type', 'application/json'],
  ...Object.entries(signedHeaders(body, at)),
  ['content-length', String(body.length)],
];

const post = `POST ${ingestPath} HTTP/1.1`;

/** A good request, signed now. */
export const goodRequest = (body: Uint8Array, at: number): Buffer => requestOf(post, headersFor(body, at), body);

const with_ = (headers: readonly Header[], name: string, value: string | null): Header[] => [
  ...headers.filter(([known]) => known !== name),
  ...(value === null ? [] : [[name, value] as const]),
];

const long = 'x'.repeat(5000);

/** Credentials that are not those of the good request: each is refused whatever the body says. */
const badCredentials = (random: Random, headers: readonly Header[], at: number): Header[] => {
  const second = (offset: number): string => String(Math.floor(at / 1000) + offset);
  const signature = headers.find(([name]) => name === 'x-cert-signature')?.[1] ?? '';
  const [name, values] = random.pick<readonly [string, readonly [string | null, ...(string | null)[]]]>([
    ['x-cert-event-token', [null, '', 'x', long, 'ingest-token-of-the-fuzze', '\u00e9']],
    [
      'x-cert-signature',
      [
        null,
        '',
        '00',
        signature.slice(1),
        `${signature}0`,
        `0x${signature}`,
        signature.replaceAll(/[0-9a-f]/g, '0'),
        `${signature}, ${signature}`,
        long,
      ],
    ],
    [
      'x-cert-timestamp',
      [
        null,
        '',
        '-1',
        '+1',
        '1e9',
        '0x10',
        `${second(0)}.0`,
        second(-400),
        second(400),
        '99999999999999999999',
        long,
        second(-1),
      ],
    ],
    ['x-cert-source', ['x', long, 'another', '\u00fc', 'certbot:eu-1']],
    ['x-cert-cluster', ['x', long, 'eu-2', 'eu-1=x', '\u00fc']],
  ]);
  return with_(headers, name, random.pick(values));
};

/** Ways to word a request that RFC 9112 has no sense for, or that must not get past the head. */
const badFraming = (random: Random, headers: readonly Header[], body: Uint8Array): Buffer => {
  const length = body.length;
  const add = (...more: readonly Header[]): Buffer => requestOf(post, [...headers, ...more], body);
  const swap = (name: string, value: string | null): Buffer => requestOf(post, with_(headers, name, value), body);
  return random.pick<() => Buffer>([
    () =>
      swap(
        'content-length',
        random.pick(['-1', '+5', '0x10', '', 'x', '1 2', '99999999999999999999', `${length}, ${length + 1}`]),
      ),
    () => swap('content-length', String(length + random.between(1, 100_000))),
    () => swap('content-length', String(random.between(0, length - 1))),
    () => swap('content-length', '100000000'),
    () => add(['content-length', String(length + 1)]),
    () => add(['transfer-encoding', 'chunked']),
    () =>
      requestOf(
        post,
        [
          ...with_(headers, 'content-length', null),
          [
            'transfer-encoding',
            random.pick(['chunked', 'gzip', 'chunked, chunked', 'identity', 'x, chunked', ' chunked', 'chunked\u00a0']),
          ],
        ],
        random.chance(0.5)
          ? body
          : Buffer.from(
              `${random.pick(['zz', '-1', 'ffffffffffffffffffff', '5;x=\u0000', '0x5', ' 5', '5 '])}\r\nhello\r\n0\r\n\r\n`,
            ),
      ),
    () =>
      swap(
        'content-type',
        random.pick([
          null,
          'text/plain',
          'application/jsonx',
          'application/x-www-form-urlencoded',
          'multipart/form-data; boundary=x',
          long,
        ]),
      ),
    () => add(['content-encoding', random.pick(['gzip', 'br', 'identity', 'deflate, gzip', ''])]),
    () => add(['expect', random.pick(['100-continue', '200-ok', 'x'])]),
    () => add(['upgrade', random.pick(['websocket', 'h2c'])], ['connection', 'upgrade']),
    () =>
      requestOf(
        post.replace(
          'HTTP/1.1',
          random.pick(['HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', 'HTTP/1.9', 'http/1.1', 'HTTP/1.1 x', '']),
        ),
        headers,
        body,
      ),
    () =>
      requestOf(
        post.replace(
          'POST',
          random.pick(['GET', 'PUT', 'HEAD', 'OPTIONS', 'TRACE', 'CONNECT', 'PRI', 'post', 'FOO', 'M-SEARCH', long]),
        ),
        headers,
        body,
      ),
    () =>
      requestOf(
        post.replace(
          ingestPath,
          random.pick([
            '*',
            '/',
            '//',
            '/../',
            `${ingestPath}/`,
            `/${ingestPath}`,
            '/v1/domains/cert-events%00',
            'http://evil.example/v1/x',
            '/%',
            `/${long}${long}${long}${long}`,
            '/v1/domains/./cert-events',
            '\u00ff',
          ]),
        ),
        headers,
        body,
      ),
    () => swap('host', random.pick([null, '', 'a b', '[', 'evil.example', '127.0.0.1:99999', long])),
    () => add(['host', 'evil.example']),
    () => add(['x-long', long.repeat(4)]),
    () => requestOf(post, [...headers, ...Array.from({ length: 3000 }, (_, n): Header => [`x-${n}`, 'x'])], body),
    () => add([random.pick(['x y', 'x\u0000', '', 'x(', 'é', 'x ']), 'x']),
    () => add(['x', random.pick(['a\u0000b', 'a\rb', 'a\nb', 'a\r\n b', '\u007f'])]),
    () => Buffer.from(requestOf(post, headers, body).toString('latin1').replaceAll('\r\n', '\n'), 'latin1'),
    () => Buffer.concat([requestOf(post, headers, body), Buffer.from('GARBAGE\r\n\r\n')]),
    () => Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    () => Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
  ])();
};

const paths: readonly [string, ...string[]] = [
  '/v1/admin/cert-events',
  '/v1/admin/cert-incidents',
  '/v1/admin/domains',
  '/v1/admin/domains/x.example',
  '/v1/admin/audit',
  '/v1/admin/replays',
  '/v1/domains/custom',
  '/v1/admin/tokens',
  '/v1/admin/sessions',
  '/v1/admin/overview',
  '/console',
  '/console/login',
  '/console/domains',
  '/console/live',
  '/console/bull-board',
  '/console/bull-board/api/queues',
  '/console/login/oidc/callback',
  '/openapi.json',
  '/livez',
  '/',
  '/console/assets/app.css',
];
const queries: readonly [string, ...string[]] = [
  '',
  '?limit=0',
  '?limit=x',
  '?cursor=%00',
  '?cursor=e30',
  '?cursor=WyIxIl0',
  '?status=%ff',
  '?since=NaN',
  '?a=b&a=c',
  '?domain=%E0%A4%A',
  '?q=*.',
  '?%',
  '?=',
  '?limit=1&limit=2',
  '?orgId=%00',
  `?q=${'x'.repeat(2000)}`,
  '?__proto__=x',
  '?next=//evil.example',
  '?state=x&code=y',
];

/** Reads of other routes, with odd queries and good or bad credentials, and changes without any: nothing may come of them. */
const elsewhere = (random: Random): Buffer => {
  const method = random.pick(['GET', 'GET', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE']);
  const isRead = ['GET', 'HEAD', 'OPTIONS'].includes(method);
  const known = isRead && random.chance(0.5);
  const path = random.pick(paths) + random.pick(queries);
  const body = Buffer.from(isRead ? '' : random.pick(['', '{}', '{"a":', 'a=b', '\u0000']));
  const headers: Header[] = [
    ['host', '127.0.0.1'],
    ['accept', random.pick(['*/*', 'text/html', 'application/json', '\u00ff', ''])],
    ['content-length', String(body.length)],
  ];
  if (known) headers.push(['authorization', `Bearer ${adminToken}`]);
  else if (random.chance(0.5))
    headers.push([
      'cookie',
      random.pick(['__Host-notafter=x', '__Host-notafter=%', 'a=b; ;=;', `__Host-notafter-login=${long}`]),
    ]);
  return requestOf(`${method} ${path} HTTP/1.1`, headers, body);
};

/** The next attack: half are requests broken at random places, half requests that break one rule. */
export const nextAttack = (random: Random, known: readonly Uint8Array[], at: number): Attack => {
  const base = known[random.between(0, known.length - 1)] ?? Buffer.from('{}');
  const dice = random.next();
  if (dice < 0.3) return { kind: 'bytes', bytes: mutated(goodRequest(base, at), random), last: true, broken: false };
  if (dice < 0.45)
    return {
      kind: 'credentials',
      bytes: requestOf(post, badCredentials(random, headersFor(base, at), at), base),
      last: false,
      broken: true,
    };
  if (dice < 0.6)
    return { kind: 'framing', bytes: badFraming(random, headersFor(base, at), base), last: true, broken: false };
  if (dice < 0.75)
    return { kind: 'rule', bytes: goodRequest(Buffer.from(brokenBody(random)), at), last: false, broken: true };
  if (dice < 0.85) return { kind: 'text', bytes: goodRequest(brokenText(random), at), last: false, broken: true };
  return { kind: 'elsewhere', bytes: elsewhere(random), last: true, broken: false };
};
