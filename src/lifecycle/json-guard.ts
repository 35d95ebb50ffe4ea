import { AppError } from '../errors.ts';

const maxDepth = 32;
const quote = 0x22;
const backslash = 0x5c;
const openArray = 0x5b;
const closeArray = 0x5d;
const openObject = 0x7b;
const closeObject = 0x7d;

/** How many objects and arrays may begin in a text at the most, as strings may hold the same characters; counts up to `most`. */
const openers = (text: string, most: number): number => {
  let found = 0;
  for (const opener of ['{', '[']) {
    for (let at = text.indexOf(opener); at >= 0 && found < most; at = text.indexOf(opener, at + 1)) found += 1;
  }
  return found;
};

/**
 * Refuses JSON nested deeper than 32 levels (contract 1), before it is parsed: JSON.parse takes any depth, but what then
 * walks the value, JSON.stringify included, does not.
 *
 * @throws AppError `bad_request`.
 */
export const guardJson = (text: string): void => {
  if (openers(text, maxDepth + 1) <= maxDepth) return;
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (inString) {
      if (code === backslash) index += 1;
      else if (code === quote) inString = false;
    } else if (code === quote) inString = true;
    else if (code === openObject || code === openArray) {
      depth += 1;
      if (depth > maxDepth) throw new AppError('bad_request', `The body must not nest deeper than ${maxDepth} levels`);
    } else if (code === closeObject || code === closeArray) depth -= 1;
  }
};

const refuse = (text: string): void => {
  if (text.includes('\0')) throw new AppError('bad_request', 'The body must not hold NUL characters');
  if (!text.isWellFormed()) throw new AppError('bad_request', 'The body must not hold unpaired surrogates');
};

/**
 * Refuses values that PostgreSQL cannot keep as text or jsonb: NUL characters and unpaired surrogates in any string or key.
 *
 * @param value what JSON.parse made of `text`; it is walked only when `text` has an escape that could hide such a character.
 * @throws AppError `bad_request`.
 */
export const assertStorable = (value: unknown, text: string): void => {
  refuse(text);
  if (!text.includes('\\u') || !/\\u(?:0000|d[89a-f])/i.test(text)) return;
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (typeof next === 'string') refuse(next);
    else if (Array.isArray(next)) for (const item of next) waiting.push(item);
    else if (typeof next === 'object' && next !== null) {
      for (const [key, member] of Object.entries(next)) {
        refuse(key);
        waiting.push(member);
      }
    }
  }
};
