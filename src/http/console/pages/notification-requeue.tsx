import type { FC } from 'hono/jsx';
import type { NotificationRow } from '../../../db/notification-reads.ts';
import { maxDeliveryTries } from '../../../lifecycle/delivery.ts';
import { count, counted } from '../format.ts';
import { noticeWords } from '../notice-words.ts';
import { Check, Field, Submit } from '../parts/forms.tsx';
import { Sheet } from '../parts/sheet.tsx';
import { DataTable } from '../parts/table.tsx';
import { Link, Quoted, Time } from '../parts/text.tsx';
import { LastError, NoticeState, Subject } from './notification-parts.tsx';

/** Most that one act makes pending again. */
export const mostRequeued = 1000;

interface RequeueProps {
  /** How many the choice lets through now, counted to one more than {@link mostRequeued}. */
  readonly matching: number;
  /** The newest of them, some. */
  readonly sample: readonly NotificationRow[];
  /** What was chosen, as the fields of a form. */
  readonly chosen: Readonly<Record<string, string>>;
  /** The one that was sent before the others. */
  readonly first: NotificationRow | null;
}

const listOf = (values: readonly string[]): string => {
  const names = [...new Set(values)];
  return names.length > 3 ? `${names.slice(0, 3).join(', ')} and others` : names.join(', ');
};

const Scope: FC<{ sample: readonly NotificationRow[] }> = ({ sample }) => {
  const channels = listOf(sample.map(({ channel }) => channel));
  const classes = listOf(sample.map(({ class: name }) => noticeWords[name]));
  const [newest] = sample;
  return (
    <>
      <Quoted text={`${channels}; ${classes}`} max={200} />
      {newest !== undefined && (
        <>
          ; the newest gave up <Time at={newest.updated_at} />
        </>
      )}
    </>
  );
};

const Effect: FC<{ sample: readonly NotificationRow[]; first: NotificationRow | null }> = ({ sample, first }) => {
  const last = sample.map(({ updated_at }) => updated_at).toSorted((a, b) => b.getTime() - a.getTime())[0];
  return (
    <p>
      Each gets {maxDeliveryTries} new tries under its old id; receivers that saw it already drop it.
      {first === null && last !== undefined && (
        <>
          {' '}
          The last refusal of these came <Time at={last} />: the channel may not have been tried since.
        </>
      )}
    </p>
  );
};

const Sample: FC<{ sample: readonly NotificationRow[]; matching: number }> = ({ sample, matching }) => (
  <div>
    <p class="lab">{sample.length < matching ? `The newest ${count(sample.length)}` : 'These'}</p>
    <DataTable
      caption="Notifications that are requeued"
      look="tight flat"
      small
      rows={sample}
      columns={[
        {
          name: 'Message',
          kind: 'id',
          cell: (row) => (
            <>
              <Quoted text={row.summary} max={160} />
              <span class="sub">
                <Subject of={row} />
              </span>
            </>
          ),
        },
        { name: 'Last error', kind: 'err', cell: (row) => <LastError of={row} /> },
      ]}
    />
  </div>
);

const waiting = new Set(['pending', 'failed']);

const First: FC<{ of: NotificationRow }> = ({ of }) => (
  <section class="panel running" id="first" aria-labelledby="first-h" data-live="notifications">
    <h3 id="first-h">
      Sent first: <Quoted text={of.summary} max={160} />
    </h3>
    <p>
      <NoticeState of={of.status} /> on <Quoted text={of.channel} max={63} />
      {of.status === 'sent' && '. The receiver accepted it: the others can follow.'}
      {waiting.has(of.status) && '. Wait for its answer; this page follows it.'}
      {of.status === 'dead' && '. Refused again: correct the channel before you requeue the others.'}
    </p>
    {of.last_error !== null && of.status !== 'sent' && (
      <p class="quiet">
        <LastError of={of} />
      </p>
    )}
    <p>
      <Link to={`notifications/${of.id}`}>Its tries</Link>
    </p>
  </section>
);

/** What is asked before dead notifications are delivered again. */
export const RequeuePage: FC<RequeueProps> = ({ matching, sample, chosen, first }) => {
  const back = { to: 'notifications', params: { status: 'dead' } };
  const n = Math.min(matching, mostRequeued);
  if (n === 0)
    return (
      <Sheet title="No dead notification matches" back={{ ...back, text: 'Back to the list' }}>
        {first !== null && <First of={first} />}
        <p>{first === null ? 'They were requeued or delivered meanwhile.' : 'No other one waits to be requeued.'}</p>
      </Sheet>
    );
  const rest = first === null ? '' : matching === 1 ? ' other' : ' others';
  const title =
    first === null ? `Requeue ${counted(n, 'notification')}` : `Requeue the ${counted(n, 'other', 'others')}`;
  return (
    <Sheet
      title={title}
      about={<Scope sample={sample} />}
      action="notifications/some/requeue"
      back={back}
      fields={{ ...chosen, expected: String(n), ...(first !== null && { after: first.id }) }}
      hint={matching > n ? `The oldest ${count(n)} of more than that` : undefined}
      act={
        <Submit look="primary" icon="replay" needs="operator" busy="Requeueing…">
          Requeue {count(n)}
          {rest}
        </Submit>
      }
    >
      {first !== null && <First of={first} />}
      <Effect sample={sample} first={first} />
      <Sample sample={sample} matching={matching} />
      {first === null && n > 1 && (
        <Check name="first" checked>
          Send one first, and ask about the rest once its receiver answered
        </Check>
      )}
      <Field
        id="reason"
        name="reason"
        label="Reason"
        hint="Goes to the audit log, with your name."
        required
        maxlength={200}
        autofocus
      />
    </Sheet>
  );
};
