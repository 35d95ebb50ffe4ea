import type { Random } from '../chaos/random.ts';

type Mutation = (bytes: Buffer, random: Random) => Buffer;

const interesting: readonly [string, ...string[]] = [
  '\r\n',
  '\n',
  '\r',
  '\r\n\r\n',
  '\u0000',
  ' ',
  '\t',
  ':',
  ',',
  ';',
  '=',
  '"',
  '%00',
  '%2e%2e%2f',
  '\\',
  '{',
  '}',
  '[',
  ']',
  '-1',
  '0',
  '18446744073709551616',
  'chunked',
  'Transfer-Encoding: chunked\r\n',
  'Content-Length: 5\r\n',
  '0\r\n\r\n',
  'HTTP/1.1',
  '\u00ff',
  '\ud83d\ude00',
];

const place = (bytes: Buffer, random: Random): number => random.between(0, Math.max(0, bytes.length - 1));

const mutations: readonly [Mutation, ...Mutation[]] = [
  (bytes, random) => {
    const copy = Buffer.from(bytes);
    const at = place(bytes, random);
    if (copy.length > 0) copy.writeUInt8(copy.readUInt8(at) ^ (1 << random.between(0, 7)), at);
    return copy;
  },
  (bytes, random) => {
    const copy = Buffer.from(bytes);
    if (copy.length > 0) copy.writeUInt8(random.between(0, 255), place(bytes, random));
    return copy;
  },
  (bytes, random) => {
    const at = place(bytes, random);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random.between(1, 32))]);
  },
  (bytes, random) => {
    const at = place(bytes, random);
    return Buffer.concat([bytes.subarray(0, at), Buffer.from(random.pick(interesting)), bytes.subarray(at)]);
  },
  (bytes, random) => {
    const [from, at] = [place(bytes, random), place(bytes, random)];
    return Buffer.concat([
      bytes.subarray(0, at),
      bytes.subarray(from, from + random.between(1, 64)),
      bytes.subarray(at),
    ]);
  },
  (bytes, random) => bytes.subarray(0, place(bytes, random)),
  (bytes, random) => {
    const at = place(bytes, random);
    const noise = Buffer.from(Array.from({ length: random.between(1, 16) }, () => random.between(0, 255)));
    return Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at)]);
  },
];

/** Bytes of the same length with one to six others among them: what holds lengths stays whole more often. */
export const flipped = (bytes: Buffer, random: Random): Buffer => {
  const copy = Buffer.from(bytes);
  for (let times = random.between(1, 6); times > 0; times -= 1)
    copy.writeUInt8(random.between(0, 255), place(copy, random));
  return copy;
};

/** Bytes with one to four changes at random places. */
export const mutated = (bytes: Buffer, random: Random): Buffer => {
  let result = bytes;
  for (let times = random.between(1, 4); times > 0; times -= 1) result = random.pick(mutations)(result, random);
  return result;
};
