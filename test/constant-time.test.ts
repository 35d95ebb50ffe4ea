import { parseSync, Visitor } from 'oxc-parser';
import { describe, expect, it } from 'vitest';
import { readSources } from './support/architecture.ts';

/** What compares secrets, or what is made with them, and how often. */
const comparers: Readonly<Record<string, number>> = {
  'http/auth.ts': 2,
  'lifecycle/signature.ts': 1,
  'lifecycle/audit-chain.ts': 1,
};

const textual = new Set(['===', '!==', '==', '!=']);

interface Facts {
  /** Calls of timingSafeEqual. */
  readonly safe: number;
  /** Comparisons of bytes that end at the first difference. */
  readonly early: readonly string[];
}

const factsOf = (file: string, text: string): Facts => {
  const { program } = parseSync(file, text);
  const early: string[] = [];
  let safe = 0;
  const cut = ({ start, end }: { start: number; end: number }): string => text.slice(start, end);
  new Visitor({
    CallExpression: (node) => {
      const called = cut(node.callee);
      if (called === 'timingSafeEqual') safe += 1;
      if (/\.(?:equals|compare)$/.test(called)) early.push(cut(node));
    },
    BinaryExpression: (node) => {
      const made = /\.(?:toString\('(?:hex|base64|base64url)'\)|digest\([^)]*\))$/;
      if (textual.has(node.operator) && [node.left, node.right].some((side) => made.test(cut(side))))
        early.push(cut(node));
    },
  }).visit(program);
  return { safe, early };
};

describe('secrets', () => {
  const files = readSources('src').map(({ path, text }) => ({ path, ...factsOf(path, text), text }));

  it('are compared in constant time, wherever they are compared', () => {
    const found = files.flatMap(({ path, safe }) => (safe > 0 ? [[path, safe] as const] : []));
    expect(Object.fromEntries(found)).toEqual(comparers);
  });

  it('are compared in no other way by what makes hashes', () => {
    // What servers show in a handshake is public.
    const kept = files.filter(({ path }) => !path.startsWith('probe/'));
    const hashing = kept.filter(({ text }) => /\b(?:createHmac|createHash|hash)\(/.test(text));
    expect(hashing.length).toBeGreaterThan(5);
    expect(hashing.flatMap(({ path, early }) => early.map((code) => `${path}: ${code}`))).toEqual([]);
  });

  it.each(['a.equals(b)', 'Buffer.compare(a, b)', "a.toString('hex') === b", "x !== mac.digest('hex')"])(
    'would be found: %s',
    (code) => {
      expect(factsOf('x.ts', code).early).toEqual([code]);
    },
  );
});
