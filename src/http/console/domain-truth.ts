import type { DomainRow } from '../../db/domain-row.ts';
import type { addressesOf } from '../../db/probe-reads.ts';
import { isServed } from '../../lifecycle/status.ts';
import type { AddressTally } from './domain-verdict.ts';

export type AddressRow = Awaited<ReturnType<typeof addressesOf>>[number];

/** How one address stands: `same` as events said, an `old` or `other` certificate, `fault`, or `unknown` where events said nothing. */
export type Standing = 'same' | 'old' | 'other' | 'fault' | 'unknown';

const epochOf = (at: Date | null): number | null => at?.getTime() ?? null;

/** How what an address serves stands to the certificate that events spoke of. */
export const standingOf = (row: DomainRow, address: AddressRow): Standing => {
  if (address.verdict !== 'ok') return 'fault';
  if (row.certificate_filled || (row.certificate_ref === null && row.tls_not_after === null)) return 'unknown';
  const state = { certificateRef: row.certificate_ref, notAfter: epochOf(row.tls_not_after) };
  // Only these two are looked at.
  const same = isServed(
    state as Parameters<typeof isServed>[0],
    address.certificate_ref,
    epochOf(address.tls_not_after),
  );
  if (same === null) return 'unknown';
  if (same) return 'same';
  const ends = epochOf(address.tls_not_after);
  return ends !== null && state.notAfter !== null && ends < state.notAfter ? 'old' : 'other';
};

const differs = (standing: Standing): boolean => standing === 'old' || standing === 'other';

const worth: readonly Standing[] = ['fault', 'old', 'other', 'unknown', 'same'];

export interface Stood {
  readonly address: AddressRow;
  readonly standing: Standing;
}

/** The addresses in the order in which they matter: faults, other certificates, then the rest by address. */
export const stoodInOrder = (row: DomainRow, addresses: readonly AddressRow[]): Stood[] =>
  addresses
    .map((address) => ({ address, standing: standingOf(row, address) }))
    .toSorted((a, b) => worth.indexOf(a.standing) - worth.indexOf(b.standing));

export const tallyOf = (stood: readonly Stood[]): AddressTally => ({
  all: stood.length,
  other: stood.flatMap(({ address, standing }) => (differs(standing) ? address.address : [])),
  old: stood.every(({ standing }) => standing !== 'other'),
});

const textIn = (details: unknown, name: string): string | null => {
  // A JSON column; every member is checked before it is used.
  const value = typeof details === 'object' && details !== null ? (details as Record<string, unknown>)[name] : null;
  return typeof value === 'string' && value !== '' ? value : null;
};

/** The common name of an issuer, or the whole of it. */
export const issuerOf = ({ details }: AddressRow): string | null => {
  const issuer = textIn(details, 'issuer');
  return issuer === null ? null : (/(?:^|[\n,/])\s*CN=([^\n]+)/.exec(issuer)?.[1] ?? issuer);
};

/** The serial of the expected certificate, where an address serves it. */
export const serialOf = (row: DomainRow, addresses: readonly AddressRow[]): string | null => {
  const one = addresses.find(({ certificate_ref: ref }) => ref !== null && ref === row.certificate_ref);
  return one === undefined ? null : textIn(one.details, 'serial');
};
