import { displayText } from '../lifecycle/display-text.ts';
import type { FiringAlert, Notice, NoticeClass } from '../lifecycle/notice.ts';

const classWords: Readonly<Record<NoticeClass, string>> = {
  tls_error: 'TLS error',
  expiring: 'Certificate expiring',
  renewal_sla_warning: 'Renewal due soon',
  renewal_sla_breach: 'Renewal overdue',
  drift: 'Another certificate is served',
  dead_letters: 'Events gave up',
  dead_letters_exhausted: 'Events gave up for good',
  source_silent: 'A source is silent',
  error_spike: 'Many failed tries',
  replay_loop: 'Replays fail again',
};

// What a body may tell beside what every notice shows, in the order in which it is shown.
const details: readonly (readonly [key: string, title: string])[] = [
  ['subject', 'About'],
  ['events', 'Events'],
  ['reason', 'Why'],
  ['error', 'Error'],
  ['notAfter', 'Valid until'],
  ['renewalDueAt', 'Renewal due'],
  ['driftSince', 'Since'],
  ['since', 'Since'],
  ['expectedCertificateRef', 'Expected'],
  ['observedCertificateRef', 'Served'],
];

/** The notice in one line: how bad it is, or that it is over, and what it is about. */
export const titleOf = ({ action, severity, summary }: Notice): string =>
  displayText(`[${action === 'resolve' ? 'RESOLVED' : severity.toUpperCase()}] ${summary}`, 320);

/** What people want to know, as title and text, cleaned for display; at most ten. */
export const factsOf = (alert: FiringAlert): (readonly [title: string, text: string])[] => {
  const facts: (readonly [string, string | number | null | undefined])[] = [
    ['Domain', alert.domain],
    ['Problem', classWords[alert.class]],
    ['Owner', alert.orgId],
    ...details.map(([key, title]) => [title, alert.body[key]] as const),
    ['Firing since', new Date(alert.firedAt).toISOString()],
  ];
  return facts.flatMap(([title, text]) =>
    text === null || text === undefined || text === '' ? [] : [[title, displayText(String(text), 500)] as const],
  );
};

/** What an alert that names no domain is about: its key without the class. */
export const subjectOf = ({ alertKey }: FiringAlert): string => alertKey.slice(0, alertKey.lastIndexOf(':'));
