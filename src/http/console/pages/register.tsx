import type { FC } from 'hono/jsx';
import { counted } from '../format.ts';
import { Field, Select, Submit } from '../parts/forms.tsx';
import { Sheet } from '../parts/sheet.tsx';
import { useView } from '../view.ts';

/** What is asked before a domain is registered that dead letters are waiting for. */
export const RegisterSheet: FC<{ domains: readonly string[] }> = ({ domains }) => {
  const { actor } = useView();
  const back = { to: 'dead-letters' } as const;
  if (domains.length === 0)
    return (
      <Sheet title="Nothing to register" back={{ ...back, text: 'Back' }}>
        <p>No dead letter is waiting for a domain any more.</p>
      </Sheet>
    );
  return (
    <Sheet
      title="Register a domain"
      about={`Dead letters are waiting for ${counted(domains.length, 'domain')}. They are applied by themselves once it is registered.`}
      action="dead-letters/register"
      back={back}
      hint="For many at once: notafter domains import"
      act={
        <Submit look="primary" needs="admin" busy="Registering…">
          Register 1 domain
        </Submit>
      }
    >
      <Select id="domain" name="domain" label="Domain" choices={domains.map((value) => ({ value, text: value }))} />
      {actor.orgId === null && (
        <Field id="org" name="orgId" label="Organisation" maxlength={200} hint="Whose it is; empty for none." />
      )}
    </Sheet>
  );
};
