import { describe, expect, it } from 'vitest';
import { displayText } from './display-text.ts';

describe('displayText', () => {
  it.each([
    ['plain text', 'plain text'],
    ['two\r\nlines\tand\u0000a NUL', 'two lines and a NUL'],
    ['evil\u202Egnp.exe\u2066x\u2069', 'evil gnp.exe x'],
    ['zero\u200Bwidth\uFEFF', 'zero width'],
    ['half \uD800 pair', 'half pair'],
    ['line\u2028separator', 'line separator'],
    ['Grüße, 世界 🎉', 'Grüße, 世界 🎉'],
  ])('%j reads %j', (text, expected) => {
    expect(displayText(text, 100)).toBe(expected);
  });

  it.each([
    ['abcdef', 6, 'abcdef'],
    ['abcdefg', 6, 'abcde…'],
    ['abcd🎉fg', 6, 'abcd…'],
  ])('cuts %j to %i', (text, max, expected) => {
    expect(displayText(text, max)).toBe(expected);
  });
});
