import type { FC } from 'hono/jsx';
import type { EventRow } from '../../../db/event-reads.ts';
import { Check, Field, Submit } from '../parts/forms.tsx';
import { Facts } from '../parts/panel.tsx';
import { Sheet } from '../parts/sheet.tsx';
import { Host, Quoted, Time } from '../parts/text.tsx';
import { eventWords } from '../words.ts';
import { EventResult } from './event-result.tsx';

/** What is asked before one event is replayed. */
export const ReplayEventSheet: FC<{ event: EventRow }> = ({ event }) => {
  const { id, status, last_error: error } = event;
  return (
    <Sheet
      title="Replay 1 event"
      about={
        <>
          {eventWords[event.event_type]}, <Host name={event.domain} />, received <Time at={event.created_at} />
        </>
      }
      action={`events/${id}/replay`}
      back={{ to: `events/${id}` }}
      hint="Goes to the audit log with your name."
      act={
        <Submit look="primary" needs="operator" icon="replay" busy="Replaying…">
          Replay 1 event
        </Submit>
      }
    >
      <Facts
        of={[
          ['Now', <EventResult event={event} />],
          error === null ? null : ['Last error', <Quoted text={error} />],
          ['Effect', 'a worker applies it at once; what is applied meanwhile is not applied twice'],
        ]}
      />
      <Field id="reason" name="reason" label="Reason" required maxlength={200} autofocus autocomplete="off" />
      <Check name="resetRetry" checked>
        Start its tries at 0
      </Check>
      {status === 'applied' && (
        <Check name="force">
          Apply it again although it is applied. Its domain is worked out anew from its events, and what follows from
          that may be told once more.
        </Check>
      )}
    </Sheet>
  );
};
