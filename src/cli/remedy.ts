import { printable } from './table.ts';

/** What to set where it is notafter itself that keeps a look from being good. */
const remedyOf = (verdict: unknown, error: string): string | null => {
  if (verdict === 'untrusted') return 'for a CA of your own set CERT_PROBE_TRUSTED_CA_FILE';
  if (verdict !== 'address_refused') return null;
  return /\bport\b/.test(error)
    ? 'if it is meant, set CERT_PROBE_ALLOWED_PORTS'
    : 'if it is yours, set CERT_PROBE_ALLOWED_CIDRS';
};

/** The error of a look, with what to set on the server where that can mend it; null when there is no error. */
export const withRemedy = (error: unknown, verdict: unknown): string | null => {
  if (typeof error !== 'string') return null;
  const remedy = remedyOf(verdict, error);
  return remedy === null ? printable(error) : `${printable(error)}; ${remedy}`;
};
