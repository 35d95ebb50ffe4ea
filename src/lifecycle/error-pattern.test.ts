import { describe, expect, it } from 'vitest';
import { errorFingerprint, errorPattern } from './error-pattern.ts';

describe('errorPattern', () => {
  it.each([
    ['the domain shop.example.com is not registered', 'the domain <domain> is not registered'],
    ['the domain *.shop.example.com is not registered', 'the domain <domain> is not registered'],
    ['connect ECONNREFUSED 10.0.0.7:5432', 'connect ECONNREFUSED <address>'],
    ['timed out after 250 ms', 'timed out after <n> ms'],
    ['domainId 019aa1c7-0b12-7000-8000-000000000001 is another’s', 'domainId <uuid> is another’s'],
    [`certificate sha256:${'AB'.repeat(32)} is unknown`, 'certificate <hash> is unknown'],
    ['value out of range', 'value out of range'],
  ])('%s', (error, pattern) => {
    expect(errorPattern(error)).toBe(pattern);
  });
});

describe('errorFingerprint', () => {
  it('differs by class and by pattern', () => {
    const prints = [
      errorFingerprint('internal', 'a'),
      errorFingerprint('internal', 'b'),
      errorFingerprint('invalid', 'a'),
    ];
    expect(new Set(prints).size).toBe(3);
    expect(prints[0]).toMatch(/^[\da-f]{16}$/);
  });
});
