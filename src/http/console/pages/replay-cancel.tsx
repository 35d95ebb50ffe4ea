import type { FC } from 'hono/jsx';
import type { ReplayView } from '../../replay-acts.ts';
import { count, counted } from '../format.ts';
import { Field, Submit } from '../parts/forms.tsx';
import { Sheet } from '../parts/sheet.tsx';

/** What is asked before the rest of a replay is left as it is. */
export const CancelSheet: FC<{ replay: ReplayView }> = ({ replay: { id, left, total } }) => (
  <Sheet
    title={`Cancel the rest of replay ${id}`}
    about={`${count(left)} of ${counted(total, 'event')} have not been come to.`}
    action={`replays/${id}/cancel`}
    back={{ to: `replays/${id}`, text: 'Let it go on' }}
    act={
      <Submit look="danger" needs="operator" icon="close" busy="Cancelling…">
        Cancel {counted(left, 'event')}
      </Submit>
    }
  >
    <p>They stay dead letters and can be planned again. What is under way goes on and is still counted.</p>
    <Field
      id="reason"
      name="reason"
      label="Reason"
      required
      maxlength={200}
      autofocus
      autocomplete="off"
      hint="Goes to the audit log with your name."
    />
  </Sheet>
);
