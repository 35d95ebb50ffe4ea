import type { FC } from 'hono/jsx';
import { count, counted } from '../format.ts';
import { ActionLink } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Verdict } from '../parts/panel.tsx';
import { Link, Quoted } from '../parts/text.tsx';

interface CheckedProps {
  readonly ok: boolean;
  readonly rows: number;
  readonly checkpoints: number;
  readonly signed: boolean;
  readonly problem: { readonly seq: number; readonly message: string } | null;
  readonly tookMs: number;
}

/** What a check of the whole chain found. */
export const AuditCheckPage: FC<CheckedProps> = ({ ok, rows, checkpoints, signed, problem, tookMs }) => (
  <>
    <Head
      crumb={<Link to="audit">Audit</Link>}
      title={ok ? 'The audit log fits together' : 'The audit log does not fit together'}
      about={`${counted(rows, 'row')} and ${counted(checkpoints, 'checkpoint')} looked at, in ${count(tookMs)} ms.`}
      actions={
        <ActionLink to="audit-check" icon="check">
          Check again
        </ActionLink>
      }
    />
    <Verdict
      tone={ok ? 'issued' : 'tls_error'}
      icon={ok ? 's-issued' : 's-breach'}
      title={ok ? 'Nothing was changed, removed or put elsewhere' : `At row ${count(problem?.seq)}`}
    >
      {problem !== null && <Quoted text={problem.message} max={400} />}
      {ok &&
        (signed
          ? 'The signatures of all checkpoints are right.'
          : 'Signatures were not checked: no signing secret is set.')}
    </Verdict>
  </>
);
