import type { Child } from 'hono/jsx';
import type { EventRow } from '../../../db/event-reads.ts';
import type { EventStory, TimelineEntry } from '../../event-timeline.ts';
import { outcomeMarks } from '../parts/state.tsx';
import { Link, Quoted, Time } from '../parts/text.tsx';
import type { Entry } from '../parts/timeline.tsx';
import { errorClassWords, incidentWords, plainWords, sentence } from '../words.ts';
import { senderOf } from './events.tsx';

interface Words {
  readonly look: Pick<Entry, 'tone' | 'icon'>;
  readonly text: Child;
  readonly sub?: readonly Child[];
}

const plain = (icon: Entry['icon']): Words['look'] => ({ tone: 'plain', icon });

type Of<Kind extends TimelineEntry['kind']> = Extract<TimelineEntry, { kind: Kind }>;

const triedWords = (entry: Of<'try_failed'>): Words => ({
  look: outcomeMarks.warn,
  text: `Try ${entry.attempt} failed`,
  sub: [
    <>
      {errorClassWords[entry.error_class]}: <Quoted text={entry.error} />
    </>,
    ...(entry.next_retry_at === null
      ? []
      : [
          <>
            next try at <Time at={entry.next_retry_at} as="clock" />
          </>,
        ]),
  ],
});

const replayWords = ({ actor, reason, replay_id: bulk }: Of<'replayed'>): Words => ({
  look: plain('replay'),
  text: (
    <>
      Replayed by <Quoted text={actor} max={80} />
      {bulk !== null && (
        <>
          , in <Link to={`replays/${bulk}`}>replay {bulk}</Link>
        </>
      )}
    </>
  ),
  sub: reason === null ? [] : [<Quoted text={`“${reason}”`} />],
});

const remarked = (by: string | null, note: string | null): Child[] => [
  ...(by === null ? [] : [<Quoted text={`by ${by}`} max={80} />]),
  ...(note === null ? [] : [<Quoted text={`“${note}”`} />]),
];

const incidentLink = ({
  incident,
  incident_type: type,
}: Of<'incident_raised' | 'incident_resolved' | 'incident_acknowledged'>) => (
  <Link to={`incidents/${incident}`}>{incidentWords[type]}</Link>
);

const noticeWords = (entry: Of<'notification_decided'>): Words => ({
  look: plain('bell'),
  text: (
    <>
      <Link to={`notifications/${entry.notification}`}>{sentence(plainWords(entry.class))}</Link>{' '}
      {entry.action === 'resolve' ? 'to be ended' : 'to be told'} on <Quoted text={entry.channel} max={80} />
    </>
  ),
  sub: [<Quoted text={entry.summary} />],
});

const deliveryWords = ({ attempt, delivered, channel, error, status }: Of<'notification_try'>): Words => ({
  look: delivered ? outcomeMarks.ok : outcomeMarks.warn,
  text: (
    <>
      <Quoted text={channel} max={80} />: {delivered ? 'delivered' : 'not delivered'} at try {attempt}
      {status !== null && `, answered ${status}`}
    </>
  ),
  sub: error === null ? [] : [<Quoted text={error} />],
});

const wordsOf = (entry: TimelineEntry): Words => {
  switch (entry.kind) {
    case 'received':
      return {
        look: plain('events'),
        text: (
          <>
            Received from <Quoted text={senderOf(entry)} max={220} />
          </>
        ),
      };
    case 'queued':
      return {
        look: plain('arrow'),
        text: 'Committed and queued',
        sub: entry.job === null ? [] : [<code>{entry.job}</code>],
      };
    case 'replayed':
      return replayWords(entry);
    case 'try_failed':
      return triedWords(entry);
    case 'failed':
      return { look: outcomeMarks.bad, text: 'Gave up: it is a dead letter' };
    case 'applied':
      return entry.outcome === 'superseded'
        ? { look: outcomeMarks.none, text: 'Superseded by a newer event' }
        : { look: outcomeMarks.ok, text: 'Applied' };
    case 'incident_raised':
      return {
        look: plain('incident'),
        text: (
          <>
            Incident raised: {incidentLink(entry)}, tier {entry.tier}
          </>
        ),
        sub: entry.reason === null ? [] : [<Quoted text={entry.reason} />],
      };
    case 'incident_acknowledged':
      return {
        look: plain('person'),
        text: <>Incident acknowledged: {incidentLink(entry)}</>,
        sub: remarked(entry.by, entry.note),
      };
    case 'incident_resolved':
      return {
        look: outcomeMarks.ok,
        text: <>Incident resolved: {incidentLink(entry)}</>,
        sub: remarked(entry.by, entry.note),
      };
    case 'notification_decided':
      return noticeWords(entry);
    case 'notification_try':
      return deliveryWords(entry);
  }
};

/** All that happened to an event, newest first, in words. */
export const entriesOf = ({ id }: Pick<EventRow, 'id'>, { timeline }: Pick<EventStory, 'timeline'>): Entry[] =>
  timeline
    .map((entry, index): Entry => {
      const { look, text, sub = [] } = wordsOf(entry);
      return { id: `${id}-${index}`, at: entry.at, lane: 'said', ...look, text, sub };
    })
    .toReversed();
