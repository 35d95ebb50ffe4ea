import type { FC } from 'hono/jsx';
import type { DomainRow } from '../../../db/domain-row.ts';
import { failurePolicies, type FailurePolicy } from '../../../lifecycle/types.ts';
import { Check, Submit } from '../parts/forms.tsx';
import { Sheet } from '../parts/sheet.tsx';
import { Host } from '../parts/text.tsx';

const words: Readonly<Record<FailurePolicy, string>> = {
  standard: '1 min, doubling, at most 6 h',
  strict: '5 min, doubling, at most 12 h',
  hold: '10 min, 30 min from the third failure, doubling, at most 24 h',
};

/** Asks how long a domain waits after a failed renewal. */
export const PolicySheet: FC<{ row: DomainRow }> = ({ row }) => {
  const path = `domains/${encodeURIComponent(row.domain)}`;
  return (
    <Sheet
      title={
        <>
          Failure policy for <Host name={row.domain} />
        </>
      }
      about="How long to wait after a failed renewal. Takes effect at once for the wait that runs."
      action={`${path}/policy`}
      back={{ to: path, text: `Keep ${row.cert_failure_policy}` }}
      act={
        <Submit look="primary" needs="admin" busy="Setting…">
          Set policy
        </Submit>
      }
    >
      {failurePolicies.map((policy) => (
        <Check name="policy" type="radio" value={policy} checked={policy === row.cert_failure_policy}>
          <strong>{policy}</strong> <span class="quiet">{words[policy]}</span>
        </Check>
      ))}
    </Sheet>
  );
};
