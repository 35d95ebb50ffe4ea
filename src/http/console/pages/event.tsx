import type { Child, FC } from 'hono/jsx';
import type { EventRow } from '../../../db/event-reads.ts';
import { eventJobId } from '../../../queues/job-id.ts';
import type { EventStory } from '../../event-timeline.ts';
import { counted, count } from '../format.ts';
import { ActionLink } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Facts, Panel, Verdict } from '../parts/panel.tsx';
import { Status } from '../parts/state.tsx';
import { DomainLink, Fingerprint, Host, Link, Quoted, Time } from '../parts/text.tsx';
import { Timeline } from '../parts/timeline.tsx';
import { payloadText } from '../payload.ts';
import { useView } from '../view.ts';
import { errorClassWords, eventWords, sentence } from '../words.ts';
import { CameOfIt } from './event-effects.tsx';
import { entriesOf } from './event-story.tsx';
import { senderOf } from './events.tsx';

interface EventProps {
  readonly event: EventRow;
  readonly story: EventStory;
  /** Tries an event has in all. */
  readonly most: number;
}

/** How an event stands, for the browser's tab. */
export const eventTitle = ({ status, outcome, event_type: type, domain }: EventRow): string => {
  const result = status === 'failed' ? 'Gave up' : status === 'pending' ? 'Pending' : sentence(outcome ?? 'applied');
  return `${result}: ${eventWords[type]}, ${domain}`;
};

type Look = Pick<Parameters<typeof Verdict>[0], 'tone' | 'icon'>;

const lookOf = ({ status, outcome, retry_count: tries, error_class: fault }: EventRow): Look => {
  if (status === 'failed')
    return fault === 'unresolved'
      ? { tone: 'pending_route', icon: 's-pending_route' }
      : { tone: 'tls_error', icon: 's-tls_error' };
  if (status === 'pending')
    return tries > 0 ? { tone: 'expiring', icon: 's-expiring' } : { tone: 'pending_issue', icon: 's-pending_issue' };
  return outcome === 'superseded' ? { tone: 'plain', icon: 'skip' } : { tone: 'issued', icon: 's-issued' };
};

const Said: FC<EventProps> = ({ event, most }) => {
  const { status, outcome, retry_count: tries, processed_at: ended, next_retry_at: next } = event;
  if (status === 'applied')
    return outcome === 'superseded' ? (
      <>Taken in, and superseded: a newer event of {event.domain} was applied before it.</>
    ) : (
      <>
        Applied <Time at={ended} />. {event.domain} stands as this and later events say.
      </>
    );
  if (status === 'failed')
    return (
      <>
        Gave up <Time at={ended} /> after {counted(tries, 'try', 'tries')}. Nothing is lost: it is kept until it is
        replayed.
      </>
    );
  if (tries === 0) return <>Pending: it is taken in, and a worker applies it next.</>;
  return (
    <>
      {counted(tries, 'try', 'tries')} of {count(most)} failed, the next is <Time at={next} />.
    </>
  );
};

const Why: FC<{ event: EventRow }> = ({ event }) => {
  const { status, last_error: error, error_class: fault } = event;
  if (status === 'applied') return <>{sentence(eventWords[event.event_type])}, as its sender says.</>;
  if (error === null) return <>No try has failed.</>;
  return (
    <>
      {fault !== null && `${sentence(errorClassWords[fault])}: `}
      <Quoted text={error} />
      {fault === 'unresolved' && ' It is applied by itself once the domain is registered.'}
      {fault === 'invalid' && status === 'failed' && ' It cannot succeed as it was sent.'}
    </>
  );
};

const factsOf = ({ event, story, most }: EventProps): readonly (readonly [string, Child] | null)[] => {
  const known = story.domain;
  return [
    ['Domain', known === null ? <Host name={event.domain} /> : <DomainLink name={event.domain} />],
    ['Status of it', known === null ? <span class="quiet">not registered</span> : <Status of={known.tls_status} />],
    ['Event', eventWords[event.event_type]],
    ['Source', <Quoted text={senderOf(event)} max={220} />],
    [
      'Its own id',
      event.source_event_id === null ? (
        <span class="faint">none</span>
      ) : (
        <Quoted text={event.source_event_id} max={220} />
      ),
    ],
    [
      'Signature',
      event.provenance_verified ? (
        <>
          verified{event.provenance_subject === null ? '' : ', '}
          {event.provenance_subject !== null && <Quoted text={event.provenance_subject} max={220} />}
        </>
      ) : (
        'not verified'
      ),
    ],
    ['Organisation', <Quoted text={event.org_id} max={220} />],
    ['Happened', <Time at={event.occurred_at} as="exact" />],
    ['Received', <Time at={event.created_at} as="exact" />],
    ['Tries', `${count(event.retry_count)} of ${count(most)} failed in this round`],
    event.dlq_replay_count === 0 ? null : ['Replayed', counted(event.dlq_replay_count, 'time')],
    event.callback_class === null
      ? null
      : [
          'Callback',
          [event.callback_class, event.callback_action, event.callback_attempt]
            .filter((part) => part !== null)
            .join(', '),
        ],
    ['Certificate', <Fingerprint of={event.certificate_ref} whole />],
    event.not_before === null ? null : ['Not before', <Time at={event.not_before} as="exact" />],
    event.not_after === null ? null : ['Not after', <Time at={event.not_after} as="exact" />],
    event.renewal_due_at === null ? null : ['Renewal due', <Time at={event.renewal_due_at} as="exact" />],
    event.reason === null ? null : ['Reason', <Quoted text={event.reason} max={1000} />],
  ];
};

const shownMost = 8000;

const Payload: FC<{ event: EventRow }> = ({ event }) => {
  if (event.payload_json === null) return null;
  const { text, cut } = payloadText(event.payload_json, shownMost);
  return (
    <Panel
      id="payload"
      title="What the sender sent"
      about={cut ? `the first ${count(shownMost)} characters` : 'as JSON; values named like secrets are not shown'}
      padded
    >
      <pre class="payload" tabindex={0}>
        {text}
      </pre>
    </Panel>
  );
};

/** The job that carries a pending event, or lies among the failed ones; the queue spans organisations. */
const JobLink: FC<{ event: EventRow; story: EventStory }> = ({ event, story }) => {
  const { actor, base } = useView();
  if (actor.orgId !== null || event.status === 'applied') return null;
  const first =
    event.generation === 0 && event.retry_count === 0
      ? story.timeline.find(({ kind }) => kind === 'queued')
      : undefined;
  const job = first?.kind === 'queued' && first.job !== null ? first.job : eventJobId(event.id, event.generation);
  return (
    <a class="btn" href={`${base}/console/bull-board/queue/cert-events/${encodeURIComponent(job)}`}>
      Job in Bull Board
    </a>
  );
};

/** One event: how it stands, what it says, and all that happened to it. */
export const EventPage: FC<EventProps> = (props) => {
  const { event, story } = props;
  const { id, status } = event;
  return (
    <>
      <Head
        crumb={<Link to="events">Events</Link>}
        title={
          <>
            {sentence(eventWords[event.event_type])}, <Host name={event.domain} />
          </>
        }
        about={<Fingerprint of={id} whole />}
        actions={<JobLink event={event} story={story} />}
      />
      <Verdict
        {...lookOf(event)}
        title={<Said {...props} />}
        live="events dead-letters"
        actions={
          <ActionLink
            to={`events/${id}/replay`}
            dialog
            needs="operator"
            icon="replay"
            look={status === 'failed' ? 'primary' : undefined}
          >
            Replay event…
          </ActionLink>
        }
      >
        <Why event={event} />
      </Verdict>
      <div class="grid grid-2">
        <div class="pile">
          <Panel
            id="timeline"
            title="Timeline"
            about={`${counted(story.timeline.length, 'entry', 'entries')}, newest first`}
            live="events dead-letters incidents notifications"
          >
            <Timeline one of={entriesOf(event, story)} />
          </Panel>
          <CameOfIt story={story} />
        </div>
        <div class="pile">
          <Panel id="facts" title="Facts" padded live="events">
            <Facts of={factsOf(props)} />
          </Panel>
          <Payload event={event} />
        </div>
      </div>
    </>
  );
};
