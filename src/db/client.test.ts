import { describe, expect, it } from 'vitest';
import { AppError } from '../errors.ts';
import { asUnavailable, isInfrastructureFault } from './client.ts';

const fault = (code: string): Error => Object.assign(new Error('a fault'), { code });

describe('a fault of the database', () => {
  it.each(['ECONNREFUSED', 'EMFILE', 'ENFILE', 'EADDRNOTAVAIL', '08006', '53300', '57P01'])(
    '%s passes by itself: it is told as 503, and costs no event a try',
    (code) => {
      const wrapped = new Error('a query failed', { cause: fault(code) });
      expect(isInfrastructureFault(wrapped)).toBe(true);
      const told = asUnavailable(wrapped);
      expect(told instanceof AppError && told.code).toBe('unavailable');
    },
  );

  it.each(['23505', '22P02', '42P01', 'EACCES'])('%s does not', (code) => {
    expect(isInfrastructureFault(fault(code))).toBe(false);
    expect(asUnavailable(fault(code))).toMatchObject({ code });
  });
});
