import type { Random } from '../chaos/random.ts';
import { isObject, type Schema } from './json-schema.ts';

/** Texts that fit the patterns of the document; a pattern without any makes the generator fail, so that it gets one. */
const byPattern: readonly (readonly [pattern: string, texts: readonly [string, ...string[]]])[] = [
  ['^[^\\p{Cc}\\p{Cs}]{1,200}$', ['acme', 'shops', 'ünï', 'a b', '<b>', "o'x", 'x'.repeat(200)]],
  ['^(?!unassigned$)[\\w.-]{1,64}$', ['eu', 'us-1', 'a.b_c', 'x'.repeat(64)]],
  ['^\\d{1,6}$', ['1', '2', '10', '500', '0', '999999', '000007']],
  ['^\\d{1,15}:[0-9a-f]{64}$', [`1:${'a'.repeat(64)}`, `999999999999999:${'0'.repeat(64)}`, `0:${'f'.repeat(64)}`]],
  ['^[\\da-f]{16}$', ['0123456789abcdef', '0'.repeat(16)]],
  ['^[\\p{L}\\p{N}][\\p{L}\\p{N} ._@+-]{0,79}$', ['token', 'Ünï 1', 'a@b', 'x'.repeat(80)]],
];

const words: readonly [string, ...string[]] = [
  'x',
  'acme',
  'shop.example.com',
  '*.example.com',
  '*.shop.example.com',
  '127.0.0.1',
  '192.0.2.1:443',
  '[2001:db8::1]:443',
  '2026-01-01T00:00:00Z',
  '1900000000000',
  'ünï',
  "'",
  '%',
  '_',
  '\\',
  '0',
  'null',
  '2025-12-31T23:59:59.5+01:00',
  'http://ca.example/directory',
  'https://ca.example/d',
];

const textOf = (schema: Schema, random: Random): string => {
  const pattern = schema['pattern'];
  if (typeof pattern === 'string') {
    const known = byPattern.find(([one]) => one === pattern);
    if (known === undefined) throw new Error(`give the generator texts for the pattern ${pattern}`);
    return random.pick(known[1]);
  }
  if (schema['format'] === 'uuid')
    return random.pick(['01890a5d-ac96-774b-bcce-b302099a8057', '00000000-0000-4000-8000-000000000000']);
  if (schema['format'] === 'date-time') return '2026-01-01T00:00:00Z';
  const [least, most] = [Number(schema['minLength'] ?? 0), Number(schema['maxLength'] ?? 3000)];
  const word = random.chance(0.1) ? 'x'.repeat(most) : random.pick(words);
  return word.slice(0, most).padEnd(least, 'x');
};

const numberOf = (schema: Schema, random: Random): number => {
  const [least, most] = [Number(schema['minimum'] ?? 0), Number(schema['maximum'] ?? 1_900_000_000_000)];
  return random.pick([least, most, random.between(least, most)]);
};

const pickFrom = (list: unknown, random: Random): unknown =>
  Array.isArray(list) ? list[random.between(0, list.length - 1)] : undefined;

const objectOf = (schema: Schema, random: Random, resolve: (reference: string) => Schema): unknown => {
  const required = Array.isArray(schema['required']) ? schema['required'] : [];
  const known = Object.entries(isObject(schema['properties']) ? schema['properties'] : {});
  const taken = known.filter(([name]) => required.includes(name) || random.chance(0.4));
  return Object.fromEntries(taken.map(([name, member]) => [name, fitting(member as Schema, random, resolve)]));
};

/** A value that fits a schema, drawn from a few that try its limits. */
export const fitting = (schema: Schema, random: Random, resolve: (reference: string) => Schema): unknown => {
  if (typeof schema['$ref'] === 'string') return fitting(resolve(schema['$ref']), random, resolve);
  if ('const' in schema) return schema['const'];
  if ('enum' in schema) return pickFrom(schema['enum'], random);
  const forms = schema['anyOf'] ?? schema['oneOf'];
  if (forms !== undefined) return fitting(pickFrom(forms, random) as Schema, random, resolve);
  switch (schema['type']) {
    case 'string':
      return textOf(schema, random);
    case 'integer':
    case 'number':
      return numberOf(schema, random);
    case 'boolean':
      return random.chance(0.5);
    case 'null':
      return null;
    case 'array': {
      const size = random.between(Number(schema['minItems'] ?? 0), Math.min(4, Number(schema['maxItems'] ?? 4)));
      return Array.from({ length: size }, () => fitting(schema['items'] as Schema, random, resolve));
    }
    case 'object':
      return objectOf(schema, random, resolve);
    default:
      return random.pick<unknown>([{}, 'x', 1, null]);
  }
};
