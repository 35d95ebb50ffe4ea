import type { Child, FC } from 'hono/jsx';
import { highestRate } from '../../../lifecycle/replay.ts';
import type { ReplayView } from '../../replay-acts.ts';
import { count, counted, shortId, span } from '../format.ts';
import { Field, Submit } from '../parts/forms.tsx';
import { Facts, Sums } from '../parts/panel.tsx';
import { Sheet } from '../parts/sheet.tsx';
import { Host, Link, Quoted, Time } from '../parts/text.tsx';
import { planFields, takenWords } from '../replay-words.ts';
import { useView } from '../view.ts';
import { errorClassWords } from '../words.ts';

interface PlanProps {
  readonly replay: ReplayView;
  /** Events that are not any more as they were planned. */
  readonly changed: number;
  readonly expired: boolean;
}

const back = { to: 'dead-letters' } as const;

const Takes: FC<{ replay: ReplayView }> = ({ replay: { facts, filter } }) => {
  const { preferences } = useView();
  return (
    <>
      <Quoted text={takenWords({ ...filter, fingerprint: undefined }, facts, preferences.zone)} />
      {facts.groups.map(({ errorClass, pattern, events }) => (
        <>
          <br />
          {count(events)} {errorClassWords[errorClass]}{' '}
          <code>
            <Quoted text={pattern} max={160} />
          </code>
        </>
      ))}
    </>
  );
};

const Sample: FC<{ replay: ReplayView }> = ({ replay: { facts, total } }) => (
  <>
    {facts.sample.map(({ id, domain }) => (
      <>
        <Link to={`events/${id}`}>
          <code>{shortId(id)}</code>
        </Link>{' '}
        <Host name={domain} />
        <br />
      </>
    ))}
    {total > facts.sample.length && <span class="quiet">and {count(total - facts.sample.length)} more</span>}
  </>
);

const factsOf = ({ replay, changed }: PlanProps): readonly (readonly [string, Child] | null)[] => {
  const { facts, force } = replay;
  const { firstEndedAt: first, lastEndedAt: last } = facts;
  return [
    ['Takes', <Takes replay={replay} />],
    first === null
      ? null
      : [
          'Gave up',
          <>
            <Time at={first} as="exact" /> to <Time at={last} as="exact" />
          </>,
        ],
    [
      'Each event',
      force
        ? 'is applied once more, though it is applied; tries start again at 0'
        : 'is applied at most once; those applied meanwhile are skipped; tries start again at 0',
    ],
    changed === 0
      ? null
      : ['Changed', `${counted(changed, 'event')} changed since the plan was made and will be skipped`],
    ['Sample', <Sample replay={replay} />],
  ];
};

const Fields: FC<{ replay: ReplayView }> = ({ replay: { rate_per_second: perSecond, total, reason } }) => (
  <div class="two">
    <Field
      id="rate"
      name="ratePerSecond"
      label="Events a second"
      type="number"
      min={1}
      max={highestRate}
      value={String(perSecond)}
      required
      hint={`At ${count(perSecond)} it takes about ${span(Math.ceil(total / perSecond) * 1000)}.`}
    />
    <Field
      id="reason"
      name="reason"
      label="Reason"
      required
      maxlength={200}
      value={reason ?? ''}
      autofocus
      autocomplete="off"
      hint="Goes to the audit log with your name."
    />
  </div>
);

const Expired: FC<{ replay: ReplayView }> = ({ replay }) => (
  <Sheet
    title={`Plan ${replay.id} has expired`}
    about={
      <>
        It was good until <Time at={replay.expires_at} as="exact" />. Nothing has changed.
      </>
    }
    action="replays/plan"
    fields={planFields(replay.filter)}
    back={{ ...back, text: 'Back' }}
    act={
      <Submit look="primary" needs="operator" icon="replay" busy="Planning…">
        Plan again
      </Submit>
    }
  >
    <p>
      It took {counted(replay.total, 'event')}. <PlanAgain replay={replay} />
    </p>
  </Sheet>
);

const PlanAgain: FC<{ replay: ReplayView }> = ({ replay: { filter } }) =>
  filter.ids === undefined ? (
    <>A new plan takes what the same filters let through now.</>
  ) : (
    <>
      A new plan takes the same events.
      {filter.ids.map((id) => (
        <input type="hidden" name="id" value={id} />
      ))}
    </>
  );

/** A plan: which events it takes, and what is asked before it is executed. */
export const PlanPage: FC<PlanProps> = (props) => {
  const { replay, expired } = props;
  const { id, total, facts, created_at: at } = replay;
  if (expired) return <Expired replay={replay} />;
  if (total === 0)
    return (
      <Sheet title="Nothing to replay" about={`Plan ${id} takes no event.`} back={{ ...back, text: 'Back' }}>
        <p>No dead letter matches any more: they were replayed, or applied by themselves.</p>
      </Sheet>
    );
  const title = `Replay ${counted(total, 'event')}`;
  return (
    <Sheet
      title={title}
      about={
        <>
          Plan {id}, made <Time at={at} />, good for 15 min. Nothing has changed yet.
        </>
      }
      action={`replays/${id}/execute`}
      back={back}
      hint="You can pause or cancel at any time."
      act={
        <Submit look="primary" needs="operator" icon="replay" busy="Replaying…">
          {title}
        </Submit>
      }
    >
      <Sums
        large
        of={[
          ['Events', count(total)],
          ['Domains', count(facts.domains)],
          ['Sources', count(facts.sources)],
          ['Replayed before', count(facts.replayedBefore)],
        ]}
      />
      <Facts of={factsOf(props)} />
      <Fields replay={replay} />
    </Sheet>
  );
};
