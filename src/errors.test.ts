import { describe, expect, it } from 'vitest';
import { AppError, ConfigError, type ErrorCode, messageOf, StartError } from './errors.ts';

describe('AppError', () => {
  const table: [ErrorCode, number, boolean][] = [
    ['bad_request', 400, false],
    ['unauthorized', 401, false],
    ['forbidden', 403, false],
    ['not_found', 404, false],
    ['request_timeout', 408, true],
    ['conflict', 409, false],
    ['payload_too_large', 413, false],
    ['unsupported_media_type', 415, false],
    ['rate_limited', 429, true],
    ['internal', 500, false],
    ['unavailable', 503, true],
  ];
  it.each(table)('%s is status %i, worth another try: %s', (code, status, retryable) => {
    const error = new AppError(code, 'why');
    expect(error).toMatchObject({ name: 'AppError', code, status, retryable, message: 'why' });
    expect(error).toBeInstanceOf(Error);
    expect(error.title.length).toBeGreaterThan(3);
    expect(error.retryAfterSeconds).toBeUndefined();
    expect('cause' in error).toBe(false);
  });

  it('carries when to come back and what caused it', () => {
    const cause = new Error('inner');
    expect(new AppError('unavailable', 'why', { retryAfterSeconds: 5, cause })).toMatchObject({
      retryAfterSeconds: 5,
      cause,
    });
  });
});

describe('ConfigError', () => {
  it('is all its problems, one a line', () => {
    const error = new ConfigError(['PORT must be a number', 'REDIS_URL must be a URL']);
    expect(error).toMatchObject({ name: 'ConfigError', message: 'PORT must be a number\nREDIS_URL must be a URL' });
    expect(error.problems).toHaveLength(2);
  });
});

describe('StartError', () => {
  it('has a name of its own', () => {
    expect(new StartError('why')).toMatchObject({ name: 'StartError', message: 'why' });
  });
});

describe('messageOf', () => {
  it.each([
    [new Error('why'), 'why'],
    [new AppError('conflict', 'taken'), 'taken'],
    ['text', 'text'],
    [null, 'null'],
    [undefined, 'undefined'],
    [7, '7'],
    [{}, '[object Object]'],
  ])('of %o is %s', (thrown, message) => {
    expect(messageOf(thrown)).toBe(message);
  });

  it('is at most 500 characters and a mark that it was cut', () => {
    expect(messageOf(new Error('x'.repeat(500)))).toBe('x'.repeat(500));
    expect(messageOf('x'.repeat(501))).toBe(`${'x'.repeat(500)}…`);
  });
});
