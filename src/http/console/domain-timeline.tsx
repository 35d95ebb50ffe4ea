import type { DomainIncident, domainEvents } from '../../db/domain-timeline.ts';
import type { domainNotifications } from '../../db/notification-reads.ts';
import type { domainObservations } from '../../db/probe-reads.ts';
import { isFailure, isSuccess } from '../../lifecycle/types.ts';
import { Fingerprint, Link, Quoted, Time } from './parts/text.tsx';
import type { Entry } from './parts/timeline.tsx';
import { eventWords, incidentWords, plainWords, sentence, verdictWords } from './words.ts';

/** Everything that is known to have happened to a domain, each kind newest first. */
export interface History {
  readonly events: Awaited<ReturnType<typeof domainEvents>>;
  readonly incidents: readonly DomainIncident[];
  readonly probes: Awaited<ReturnType<typeof domainObservations>>;
  readonly notifications: Awaited<ReturnType<typeof domainNotifications>>;
}

type EventOf = History['events'][number];

const stateOf = ({ status, outcome, retry_count: tries }: EventOf): string => {
  if (status === 'failed') return `gave up after ${tries} ${tries === 1 ? 'try' : 'tries'}`;
  if (status === 'pending') return tries > 0 ? `waits for try ${tries + 1}` : 'waits to be applied';
  return outcome === 'superseded' ? 'superseded by a later one' : 'applied';
};

const eventEntry = (event: EventOf): Entry => {
  const { event_type: type, callback_attempt: attempt, status } = event;
  const good = isSuccess(type);
  const gone = status === 'failed';
  return {
    id: event.id,
    at: event.occurred_at,
    lane: 'said',
    tone: gone || isFailure(type) ? 'tls_error' : good ? 'issued' : 'expiring',
    icon: gone ? 'dead' : isFailure(type) ? 's-tls_error' : good ? 's-issued' : 's-expiring',
    text: (
      <>
        <strong>
          <Link to={`events/${event.id}`}>{sentence(eventWords[type])}</Link>
        </strong>
        {attempt !== null && `, try ${attempt}`}, {stateOf(event)}
      </>
    ),
    sub: [
      ...(event.reason === null ? [] : [<Quoted text={event.reason} />]),
      ...(event.certificate_ref === null
        ? []
        : [
            <>
              expects <Fingerprint of={event.certificate_ref} />
              {event.not_after !== null && (
                <>
                  {' '}
                  until <Time at={event.not_after} as="date" />
                </>
              )}
            </>,
          ]),
      ...(gone && event.last_error !== null ? [<Quoted text={event.last_error} />] : []),
      <Quoted text={`from ${event.source}${event.cluster_id === null ? '' : `:${event.cluster_id}`}`} max={120} />,
    ],
  };
};

const probeEntry = (probe: History['probes'][number]): Entry => {
  const good = probe.verdict === 'ok';
  const where = probe.address === '' ? 'The name' : probe.address;
  return {
    id: `probe-${probe.id}`,
    at: probe.created_at,
    lane: 'saw',
    tone: good ? 'issued' : 'tls_error',
    icon: good ? 'probe' : 's-tls_error',
    text: good ? (
      <>
        {where} serves <Fingerprint of={probe.certificate_ref} />
      </>
    ) : (
      `${where}: ${verdictWords[probe.verdict] ?? plainWords(probe.verdict)}`
    ),
    sub: [
      ...(probe.error === null ? [] : [<Quoted text={probe.error} />]),
      probe.depth === 'full' ? 'Full handshake' : 'Certificate fetch',
    ],
  };
};

const fromProbes = new Set(['tls_error', 'certificate_drift']);

const noteLine = (text: string | null) =>
  text === null
    ? []
    : [
        <>
          “<Quoted text={text} />”
        </>,
      ];

const incidentEntries = (incident: DomainIncident): Entry[] => {
  const { id, incident_type: type, tier, reason } = incident;
  const lane = fromProbes.has(type) ? ('saw' as const) : ('said' as const);
  const link = <Link to={`incidents/${id}`}>{incidentWords[type]}</Link>;
  const opened: Entry = {
    id: `incident-${id}`,
    at: incident.created_at,
    lane,
    tone: type === 'certificate_drift' ? 'drift' : type === 'certificate_expiring' ? 'expiring' : 'tls_error',
    icon: 'incident',
    text: (
      <>
        Incident opened: {link}, tier {tier}
      </>
    ),
    sub: reason === null ? [] : [<Quoted text={reason} />],
  };
  const settled = (
    at: Date | null,
    what: 'Acknowledged' | 'Resolved',
    by: string | null,
    note: string | null,
  ): Entry[] =>
    at === null
      ? []
      : [
          {
            id: `incident-${id}-${what}`,
            at,
            lane,
            tone: what === 'Resolved' ? 'issued' : 'plain',
            icon: what === 'Resolved' ? 's-issued' : 'person',
            text: (
              <>
                {what} by <strong>{by ?? 'somebody'}</strong>: {link}
              </>
            ),
            sub: noteLine(note),
          },
        ];
  return [
    opened,
    ...settled(incident.acknowledged_at, 'Acknowledged', incident.acknowledged_by, incident.acknowledge_note),
    ...settled(incident.resolved_at, 'Resolved', incident.resolved_by, incident.resolve_note),
  ];
};

const noticeWords = { pending: 'waits to be sent', failed: 'is tried again', sent: 'sent', dead: 'gave up' } as const;

const noticeEntry = (one: History['notifications'][number]): Entry => ({
  id: `notice-${one.id}`,
  at: one.created_at,
  lane: one.class === 'drift' || one.class === 'tls_error' ? 'saw' : 'said',
  tone: one.status === 'dead' ? 'tls_error' : one.status === 'failed' ? 'expiring' : 'plain',
  icon: 'bell',
  text: (
    <>
      <Link to={`notifications/${one.id}`}>
        <Quoted text={one.summary} max={160} />
      </Link>{' '}
      to {one.channel}: {noticeWords[one.status]}
    </>
  ),
  sub: one.last_error === null || one.status === 'sent' ? [] : [<Quoted text={one.last_error} max={200} />],
});

export const timelineKinds = ['all', 'events', 'probes', 'incidents', 'notifications'] as const;
export type TimelineKind = (typeof timelineKinds)[number];

/** The history as lines of the timeline, newest first. */
export const entriesOf = ({ events, probes, incidents, notifications }: History, kind: TimelineKind): Entry[] => {
  const wanted = (one: TimelineKind): boolean => kind === 'all' || kind === one;
  return [
    ...(wanted('events') ? events.map(eventEntry) : []),
    ...(wanted('probes') ? probes.map(probeEntry) : []),
    ...(wanted('incidents') ? incidents.flatMap(incidentEntries) : []),
    ...(wanted('notifications') ? notifications.map(noticeEntry) : []),
  ].toSorted((a, b) => b.at.getTime() - a.at.getTime());
};
