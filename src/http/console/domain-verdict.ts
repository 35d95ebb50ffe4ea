import type { DomainRow } from '../../db/domain-row.ts';
import { count, span } from './format.ts';
import type { IconName } from './parts/icons.tsx';
import type { Tone } from './parts/state.tsx';
import { verdictWords } from './words.ts';

/** What is to be said of a domain before all else. */
export interface DomainVerdict {
  readonly tone: Tone;
  readonly icon: IconName;
  readonly title: string;
  /** When it began; null where that is not known. */
  readonly since: Date | null;
  /** What follows from it, and what to do: sentences. */
  readonly advice: readonly string[];
  /** What was reported, as it came. */
  readonly quote: string | null;
}

/** How the addresses of a domain stand to the certificate that events spoke of. */
export interface AddressTally {
  readonly all: number;
  /** Addresses that serve another certificate than expected. */
  readonly other: readonly string[];
  /** True when those serve the certificate that the expected one replaced. */
  readonly old: boolean;
}

const ends = (row: DomainRow, at: Date | null, now: number): string[] => {
  if (at === null) return [];
  const left = at.getTime() - now;
  return [left > 0 ? `Its certificate ends in ${span(left)}.` : `Its certificate ended ${span(left)} ago.`];
};

const nextTry = ({ cert_next_retry_at: at, cert_failure_policy: policy }: DomainRow, now: number): string[] =>
  at === null || at.getTime() <= now ? [] : [`The next try is due in ${span(at.getTime() - now)}, policy ${policy}.`];

const breach = (row: DomainRow, now: number): DomainVerdict | null => {
  const due = row.renewal_due_at;
  if (!row.verified || row.tls_mode !== 'termination' || due === null || due.getTime() > now) return null;
  const failures = row.cert_failure_count;
  return {
    tone: 'tls_error',
    icon: 's-breach',
    title:
      failures > 0
        ? `Past the time to renew, and ${count(failures)} ${failures === 1 ? 'try' : 'tries'} failed`
        : 'Past the time to renew',
    since: due,
    advice: [...ends(row, row.tls_not_after, now), ...nextTry(row, now)],
    quote: failures > 0 ? row.cert_last_error : null,
  };
};

const fault = (row: DomainRow, now: number): DomainVerdict | null => {
  if (row.tls_status !== 'tls_error') return null;
  const shared = { tone: 'tls_error', icon: 's-tls_error', quote: row.tls_last_error } as const;
  if (row.tls_fault !== null) {
    const title = `Clients cannot use what is served: ${verdictWords[row.tls_fault]}`;
    return { ...shared, title, since: null, advice: ['Mend the server or its certificate, then probe.'] };
  }
  const n = row.cert_failure_count;
  if (n === 0) return { ...shared, title: 'The certificate has ended', since: row.tls_not_after, advice: [] };
  const what = row.cert_last_event_type === 'issuance_failed' ? 'Issuance' : 'Renewal';
  return {
    ...shared,
    title: `${what} failed${n > 1 ? ` ${count(n)} times in a row` : ''}`,
    since: row.cert_last_failure_at,
    advice: [...ends(row, row.tls_not_after, now), ...nextTry(row, now)],
  };
};

const drift = (row: DomainRow, { all, other, old }: AddressTally, now: number): DomainVerdict | null => {
  const { drift_state: state } = row;
  if (state === null || state === 'in_step') return null;
  const [first] = other;
  const where =
    other.length === 1 && all > 1 && first !== undefined ? first : `${count(other.length)} of ${count(all)} addresses`;
  const left = row.observed_not_after === null ? null : row.observed_not_after.getTime() - now;
  const breaks =
    left === null || state === 'unknown_served'
      ? []
      : [left > 0 ? `Clients there break in ${span(left)}.` : `Clients there are broken since ${span(left)}.`];
  const titles = {
    stale_served: 'Renewed, but the old certificate is still served',
    unknown_served: 'A certificate is served that no event told of',
    addresses_differ:
      other.length === 0
        ? 'Not all addresses serve the same certificate'
        : `Renewed, but ${where} ${other.length === 1 ? 'serves' : 'serve'} ${old ? 'the old' : 'another'} certificate`,
  } as const;
  const act =
    state === 'unknown_served'
      ? 'Find out who deployed it, or have its client send events.'
      : 'Reload the TLS server there, then probe.';
  return {
    tone: 'drift',
    icon: 's-drift',
    title: titles[state],
    since: row.drift_since,
    advice: [...breaks, act],
    quote: null,
  };
};

const waiting = (row: DomainRow): DomainVerdict | null => {
  const shared = { since: null, quote: null } as const;
  switch (row.tls_status) {
    case 'pending_route':
      return {
        ...shared,
        tone: 'pending_route',
        icon: 's-pending_route',
        title: 'No route leads to it yet',
        advice: ['Give it a region with notafter domains put --region; probes begin then.'],
      };
    case 'pending_issue':
      return {
        ...shared,
        tone: 'pending_issue',
        icon: 's-pending_issue',
        title: 'It waits for its first certificate',
        advice: ['An event of its client or a good probe ends this.'],
      };
    case 'passthrough_unverified':
      return {
        ...shared,
        tone: 'passthrough_unverified',
        icon: 's-passthrough_unverified',
        title: 'TLS ends at its own server',
        advice: ['What is served there is not judged here.'],
      };
    default:
      return null;
  }
};

/** The one sentence for a domain, the worst first; null when nothing is wrong and nothing is waited for. */
export const verdictOfDomain = (row: DomainRow, addresses: AddressTally, now: number): DomainVerdict | null =>
  breach(row, now) ?? fault(row, now) ?? drift(row, addresses, now) ?? waiting(row);
