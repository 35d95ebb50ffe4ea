import { describe, expect, it } from 'vitest';
import { databaseAddress, tlsComplaint } from './database-url.ts';

const at = (rest: string): string => `postgres://user:secret@db.example:5432/notafter${rest}`;
const tlsOf = (rest: string, ca?: string): unknown => databaseAddress(at(rest), ca).ssl;

describe('databaseAddress', () => {
  it.each<[string, string, string | undefined, unknown]>([
    ['in the clear unless something else is said', '', undefined, false],
    ['in the clear when that is said, whatever the CA', '?sslmode=disable', 'PEM', false],
    ['encrypted only', '?sslmode=require', undefined, { host: 'db.example', rejectUnauthorized: false }],
    [
      'checked by the system’s CAs',
      '?sslmode=verify-full',
      undefined,
      { host: 'db.example', rejectUnauthorized: true },
    ],
    ['checked in full where there is a CA', '', 'PEM', { host: 'db.example', rejectUnauthorized: true, ca: 'PEM' }],
    [
      'checked in full where there is a CA and encryption is asked for',
      '?sslmode=require',
      'PEM',
      { host: 'db.example', rejectUnauthorized: true, ca: 'PEM' },
    ],
  ])('%s', (_what, rest, ca, expected) => {
    expect(tlsOf(rest, ca)).toEqual(expected);
  });

  it('leaves the name unchecked for verify-ca only', () => {
    expect(tlsOf('?sslmode=verify-ca', 'PEM')).toMatchObject({
      rejectUnauthorized: true,
      checkServerIdentity: expect.any(Function),
    });
    expect(tlsOf('?sslmode=verify-full', 'PEM')).not.toHaveProperty('checkServerIdentity');
  });

  it('keeps the rest of the URL', () => {
    expect(databaseAddress(at('?sslmode=require&application_name=a')).url).toBe(at('?application_name=a'));
  });

  it('gives an address as a certificate has it', () => {
    expect(databaseAddress('postgres://u@[::1]:5432/d?sslmode=require').ssl).toMatchObject({ host: '::1' });
  });
});

describe('tlsComplaint', () => {
  it.each(['', '?sslmode=disable', '?sslmode=verify-full'])('has nothing against %s', (rest) => {
    expect(tlsComplaint(at(rest))).toBeNull();
  });

  it.each([
    ['?sslmode=prefer', /sslmode of disable, require, verify-ca, verify-full$/],
    ['?sslmode=verify-full&sslrootcert=/etc/ca.pem', /DATABASE_CA_FILE$/],
    ['?sslcert=/etc/cert.pem', /must not have sslcert/],
  ])('refuses %s', (rest, complaint) => {
    expect(tlsComplaint(at(rest))).toMatch(complaint);
  });
});
