import type { Child, FC } from 'hono/jsx';
import type { AuditRow } from '../../../db/audit-reads.ts';
import { auditActions } from '../../../lifecycle/audit.ts';
import { changesOf, type FieldChange } from '../diff.ts';
import { count, counted, shortId } from '../format.ts';
import { ActionLink, Field, Filters, Select } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Icon } from '../parts/icons.tsx';
import { Empty, Panel, Verdict } from '../parts/panel.tsx';
import { CsvButton } from '../parts/pick.tsx';
import { type Column, DataTable, Pager, shownOf } from '../parts/table.tsx';
import { Link, Quoted, Time } from '../parts/text.tsx';
import { sinceChoices } from '../times.ts';
import { useView } from '../view.ts';
import { plainWords, sentence } from '../words.ts';

/** How far the log is signed, and whether what came after fits; null for those who see one organisation's rows only. */
export interface ChainState {
  readonly rows: number;
  /** Of the last checkpoint; null before the first. */
  readonly signed: { readonly seq: number; readonly at: number } | null;
  /** Rows after the checkpoint that were checked just now; null where they are too many for a page. */
  readonly checked: number | null;
  /** What does not fit; null where all does. */
  readonly problem: string | null;
}

interface AuditProps {
  readonly rows: readonly AuditRow[];
  readonly next: string | null;
  readonly size: number;
  readonly total: number;
  readonly most: number;
  readonly chain: ChainState | null;
}

const filterNames = ['actor', 'action', 'objectType', 'objectId', 'orgId', 'requestId', 'since', 'until'] as const;
const mostFields = 6;

const actionWords = (action: string): string => sentence(plainWords(action.replaceAll('.', ' ')));

/** Where the page of an object is; null for those without one. */
const pageOf = ({ object_type: type, object_id: id }: AuditRow): string | null => {
  if (id === null) return null;
  const pages: Readonly<Record<string, string>> = {
    incident: `incidents/${id}`,
    notification: `notifications/${id}`,
    event: `events/${id}`,
    replay: `replays/${id}`,
  };
  return pages[type] ?? null;
};

const What: FC<{ of: AuditRow }> = ({ of }) => {
  const { object_type: type, object_id: id } = of;
  const text = id === null ? `${plainWords(type)}, several` : `${plainWords(type)} ${shortId(id)}`;
  const to = pageOf(of);
  return (
    <>
      {actionWords(of.action)}
      <span class="sub">
        {to === null ? (
          <Quoted text={text} max={120} />
        ) : (
          <Link to={to}>
            <Quoted text={text} max={120} />
          </Link>
        )}
        {of.org_id !== null && (
          <>
            , <Quoted text={of.org_id} max={80} />
          </>
        )}
      </span>
    </>
  );
};

const Who: FC<{ of: AuditRow }> = ({ of: { actor, actor_kind: kind, role, address } }) => (
  <>
    <span class="state state-plain">
      <Icon name={kind === 'person' ? 'person' : 'policy'} />
      <Quoted text={actor} max={80} />
    </span>
    <span class="sub">
      <Quoted
        text={[role ?? (kind === 'person' ? null : kind), address].filter((word) => word !== null).join(', ')}
        max={120}
      />
    </span>
  </>
);

const Changed: FC<{ of: FieldChange }> = ({ of: { name, before, after } }) => (
  <li>
    <code>{name}</code>:{' '}
    {before !== null && (
      <del>
        <Quoted text={before} max={200} />
      </del>
    )}
    {before !== null && after !== null && ' → '}
    {after !== null && (
      <ins>
        <Quoted text={after} max={200} />
      </ins>
    )}
  </li>
);

const Diff: FC<{ of: AuditRow }> = ({ of: { before, after } }) => {
  const changes = changesOf(before, after);
  if (changes.length === 0) return <span class="faint">–</span>;
  const [shown, more] = [changes.slice(0, mostFields), changes.slice(mostFields)];
  return (
    <>
      <ul class="diff">
        {shown.map((one) => (
          <Changed of={one} />
        ))}
      </ul>
      {more.length > 0 && (
        <details>
          <summary>{counted(more.length, 'more field')}</summary>
          <ul class="diff">
            {more.map((one) => (
              <Changed of={one} />
            ))}
          </ul>
        </details>
      )}
    </>
  );
};

const columns: readonly Column<AuditRow>[] = [
  {
    name: 'When',
    kind: 'id',
    width: 'm',
    cell: ({ seq, at, request_id: request }) => (
      <>
        <Time at={at} as="exact" />
        <span class="sub">
          row {count(seq)}
          {request !== null && (
            <>
              ,{' '}
              <Link to="audit" params={{ requestId: request }}>
                request
              </Link>
            </>
          )}
        </span>
      </>
    ),
  },
  { name: 'Who', cell: (row) => <Who of={row} /> },
  { name: 'What', cell: (row) => <What of={row} /> },
  { name: 'Change', kind: 'err', cell: (row) => <Diff of={row} /> },
  { name: 'Reason', kind: 'err', cell: ({ reason }) => <Quoted text={reason} max={300} /> },
];

const Choices: FC = () => {
  const { query, actor } = useView();
  const text = (name: string): string => query.get(name) ?? '';
  const known = text('since') === '' || sinceChoices.some(({ value }) => value === text('since'));
  const chips: { name: string; text: Child }[] = [
    'objectId',
    'requestId',
    ...(known ? [] : ['since']),
    'until',
  ].flatMap((name) => (text(name) === '' ? [] : [{ name, text: shortId(text(name)) }]));
  return (
    <Filters to="audit" chips={chips} keep={Object.fromEntries(chips.map(({ name }) => [name, text(name)]))}>
      <Field bare id="f-actor" name="actor" label="Who" value={text('actor')} placeholder="Who" />
      <Select
        bare
        id="f-action"
        name="action"
        label="Action"
        any="Any action"
        value={text('action')}
        choices={auditActions.map((value) => ({ value, text: actionWords(value) }))}
      />
      <Field
        bare
        id="f-object"
        name="objectType"
        label="Kind of object"
        value={text('objectType')}
        placeholder="Object, as incident"
      />
      {known && (
        <Select
          bare
          id="f-since"
          name="since"
          label="Since"
          any="Any time"
          value={text('since')}
          choices={sinceChoices}
        />
      )}
      {actor.orgId === null && (
        <Field bare id="f-org" name="orgId" label="Organisation" value={text('orgId')} placeholder="Organisation" />
      )}
    </Filters>
  );
};

const Chain: FC<{ of: ChainState }> = ({ of: { rows, signed, checked, problem } }) => {
  if (problem !== null) return null;
  if (rows === 0) return <>Nothing was changed yet.</>;
  if (signed === null)
    return (
      <>
        {counted(rows, 'row')} in one chain, not signed yet: the first checkpoint comes within a minute of a signing
        secret.
      </>
    );
  return (
    <>
      {counted(rows, 'row')} in one chain. Signed up to row {count(signed.seq)}, <Time at={signed.at} />
      {checked === null
        ? ', many rows since.'
        : checked === 0
          ? ', none since.'
          : `; the ${counted(checked, 'row')} since fit.`}
    </>
  );
};

/** The log of who changed what. */
export const AuditPage: FC<AuditProps> = ({ rows, next, size, total, most, chain }) => {
  const { query, actor } = useView();
  const filtered = filterNames.some((name) => (query.get(name) ?? '') !== '');
  return (
    <>
      <Head
        title="Audit"
        about={chain === null ? 'Who changed what, of your organisation.' : <Chain of={chain} />}
        actions={
          <>
            {actor.orgId === null && (
              <ActionLink to="audit-check" icon="check">
                Check the whole chain
              </ActionLink>
            )}
            <ActionLink to="audit.ndjson" params={Object.fromEntries(query)} icon="csv">
              NDJSON
            </ActionLink>
            <CsvButton to="audit.csv" />
          </>
        }
      />
      {chain?.problem !== null && chain !== null && (
        <Verdict tone="tls_error" icon="s-breach" title="The audit log does not fit together">
          <Quoted text={chain.problem} max={300} /> Run <code>notafter audit verify</code>, and keep a copy of the
          database.
        </Verdict>
      )}
      <Panel
        id="list"
        title="Changes"
        quietTitle
        live="audit"
        about={shownOf(count(rows.length), total >= most ? `${count(most - 1)}+` : count(total), 'newest first')}
        {...(rows.length > 0 && {
          foot: (
            <Pager next={next} size={size}>
              Rows are only ever added; each holds the hash of the one before it.
            </Pager>
          ),
        })}
      >
        <Choices />
        <DataTable
          caption="Changes"
          columns={columns}
          rows={rows}
          rowId={({ seq }) => String(seq)}
          empty={
            filtered ? (
              <Empty title="No change matches these filters">
                <Link to="audit">Remove the filters</Link> to see all of them.
              </Empty>
            ) : (
              <Empty title="Nothing was changed yet">
                Whatever people and policies change stands here, with who, when and why.
              </Empty>
            )
          }
        />
      </Panel>
    </>
  );
};

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
