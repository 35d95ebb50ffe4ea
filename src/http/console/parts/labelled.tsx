import type { Child, FC, PropsWithChildren } from 'hono/jsx';

/** A field between its label and its hint; `bare` labels are for assistive technology only. */
export const Labelled: FC<PropsWithChildren<{ id: string; label: string; bare?: boolean; hint?: Child }>> = (props) => {
  const { id, label, bare = false, hint, children } = props;
  return (
    <div class={bare ? 'bare' : undefined}>
      <label class={bare ? 'sr' : 'lab'} for={id}>
        {label}
      </label>
      {children}
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
};

/** What a field's `aria-describedby` is when it has a hint. */
export const describedBy = (id: string, hint: Child): string | undefined =>
  hint === undefined ? undefined : `${id}-hint`;
