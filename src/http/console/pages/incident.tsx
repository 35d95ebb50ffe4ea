import type { Child, FC } from 'hono/jsx';
import type { IncidentRow } from '../../../db/incident-reads.ts';
import type { domainNotifications } from '../../../db/notification-reads.ts';
import { noticeStates } from '../notice-words.ts';
import { ActionLink } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Empty, Facts, FailedPanel, Panel } from '../parts/panel.tsx';
import { Outcome } from '../parts/state.tsx';
import { DataTable } from '../parts/table.tsx';
import { DomainLink, Fingerprint, Link, Quoted, Time } from '../parts/text.tsx';
import { type Entry, Timeline } from '../parts/timeline.tsx';
import { incidentWords, plainWords, sentence } from '../words.ts';
import { IncidentState } from './incidents.tsx';

type Notice = Awaited<ReturnType<typeof domainNotifications>>[number];

interface IncidentProps {
  readonly incident: IncidentRow;
  /** About its domain while it stood; null where they could not be read. */
  readonly notices: readonly Notice[] | null;
  readonly mayAsk: { readonly sources: boolean };
}

const step = (
  id: string,
  at: Date | null,
  look: Pick<Entry, 'tone' | 'icon'>,
  { text, by, note }: { readonly text: string; readonly by: string | null; readonly note: string | null },
): Entry[] =>
  at === null
    ? []
    : [
        {
          id,
          at,
          lane: 'said',
          ...look,
          text: (
            <>
              <strong>{text}</strong>
              {by !== null && (
                <>
                  {' '}
                  by <Quoted text={by} max={80} />
                </>
              )}
            </>
          ),
          sub: note === null ? [] : [<Quoted text={note} max={2000} />],
        },
      ];

const storyOf = (row: IncidentRow): Entry[] => [
  ...step(
    'resolved',
    row.resolved_at,
    { tone: 'issued', icon: 's-issued' },
    { text: 'Resolved', by: row.resolved_by, note: row.resolve_note },
  ),
  ...step(
    'acknowledged',
    row.acknowledged_at,
    { tone: 'expiring', icon: 'person' },
    { text: 'Acknowledged', by: row.acknowledged_by, note: row.acknowledge_note },
  ),
  ...step(
    'opened',
    row.created_at,
    { tone: 'tls_error', icon: 'incident' },
    { text: 'Opened', by: null, note: row.reason },
  ),
];

const valueOf = (value: unknown): string =>
  typeof value === 'string' ? value : value === null || value === undefined ? '–' : JSON.stringify(value);

const words = (name: string): string =>
  plainWords(name.replaceAll(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`));

const contextOf = (context: unknown): (readonly [string, Child])[] =>
  typeof context === 'object' && context !== null
    ? Object.entries(context).map(([name, value]) => [
        sentence(words(name)),
        <Quoted text={valueOf(value)} max={1000} />,
      ])
    : [];

const Context: FC<{ of: unknown }> = ({ of }) => {
  const facts = contextOf(of);
  return facts.length === 0 ? <p class="quiet">Nothing more was noted.</p> : <Facts of={facts} />;
};

const Notices: FC<Pick<IncidentProps, 'notices' | 'incident'>> = ({ notices, incident }) => {
  if (notices === null) return <FailedPanel id="notices" title="Notifications" what="the notifications" />;
  return (
    <Panel
      id="notices"
      title="Notifications"
      about="about this domain since it opened"
      more={
        <Link to="notifications" params={{ domain: incident.domain }}>
          All of this domain
        </Link>
      }
      live="notifications"
    >
      <DataTable
        caption="Notifications"
        look="tight flat"
        rows={notices}
        rowId={({ id }) => id}
        empty={<Empty title="Nobody was told">No route leads to a channel for it, or a cooldown held it.</Empty>}
        columns={[
          {
            name: 'Message',
            kind: 'id',
            cell: ({ id, summary }) => (
              <Link to={`notifications/${id}`}>
                <Quoted text={summary} max={200} />
              </Link>
            ),
          },
          { name: 'Channel', width: 'm', cell: ({ channel }) => <Quoted text={channel} max={63} /> },
          {
            name: 'Status',
            width: 's',
            cell: ({ status }) => <Outcome of={noticeStates[status].of}>{noticeStates[status].text}</Outcome>,
          },
          { name: 'When', width: 's', cell: ({ created_at: at }) => <Time at={at} /> },
        ]}
      />
    </Panel>
  );
};

const Source: FC<{ of: IncidentRow; linked: boolean }> = ({ of: { source, cluster_id: cluster }, linked }) => {
  if (source === null) return <span class="faint">probes</span>;
  const text = `${source}${cluster === null ? '' : `:${cluster}`}`;
  return linked ? (
    <Link to="sources" params={{ source, clusterId: cluster }}>
      <Quoted text={text} max={200} />
    </Link>
  ) : (
    <Quoted text={text} max={200} />
  );
};

const Actions: FC<{ of: IncidentRow }> = ({ of: { id, status } }) => (
  <>
    {status === 'open' && (
      <ActionLink to="incidents/some/ack" params={{ ids: id }} dialog look="primary" needs="operator">
        Acknowledge…
      </ActionLink>
    )}
    {status !== 'resolved' && (
      <ActionLink to="incidents/some/resolve" params={{ ids: id }} dialog needs="operator">
        Resolve…
      </ActionLink>
    )}
  </>
);

/** One incident: what happened, who did what about it, who was told. */
export const IncidentPage: FC<IncidentProps> = ({ incident, notices, mayAsk }) => {
  const { id, domain, incident_type: type, status, tier, org_id: org, event_id: event, created_at: at } = incident;
  return (
    <>
      <Head
        crumb={<Link to="incidents">Incidents</Link>}
        title={
          <>
            {sentence(incidentWords[type])}: <Quoted text={domain} max={300} />
          </>
        }
        marks={<IncidentState of={status} pill />}
        about={
          <>
            Tier {tier}, since <Time at={at} />. {incident.reason !== null && <Quoted text={incident.reason} />}
          </>
        }
        actions={<Actions of={incident} />}
      />
      <div class="grid grid-main">
        <div class="pile">
          <Panel id="story" title="What happened" live="incidents">
            <Timeline of={storyOf(incident)} one />
          </Panel>
          <Notices notices={notices} incident={incident} />
        </div>
        <div class="pile">
          <Panel id="facts" title="Where it is from" padded>
            <Facts
              of={[
                ['Domain', <DomainLink name={domain} />],
                org === null ? null : ['Organisation', <Quoted text={org} max={200} />],
                ['Source', <Source of={incident} linked={mayAsk.sources} />],
                event === null
                  ? null
                  : [
                      'Event',
                      <Link to={`events/${event}`}>
                        <code>{event}</code>
                      </Link>,
                    ],
                ['Opened', <Time at={at} />],
                ['Incident id', <Fingerprint of={id} whole />],
              ]}
            />
          </Panel>
          <Panel id="context" title="Context" padded>
            <Context of={incident.context} />
          </Panel>
        </div>
      </div>
    </>
  );
};
