// How commands show things: one JSON document a line with --json, else text for people.
import { z } from 'zod';

export const previewShape = z.array(
  z.object({ userId: z.string(), grantedPermissions: z.array(z.string()), revokedPermissions: z.array(z.string()) }),
);

const PREVIEWED = 20;
const MARKS = 8;

export function print(value: unknown, { json }: { json: boolean }, render: () => string): void {
  process.stdout.write(`${json ? JSON.stringify(value) : render()}\n`);
}

/** Whose access changes, the first of `affected` users. */
export function renderPreview(preview: z.infer<typeof previewShape>, affected: number): string[] {
  const users = preview.slice(0, PREVIEWED).map(({ userId, grantedPermissions, revokedPermissions }) => {
    const marks = [
      ...grantedPermissions.map((permission) => `+${permission}`),
      ...revokedPermissions.map((permission) => `-${permission}`),
    ];
    return `    ${userId} ${marks.slice(0, MARKS).join(' ')}${marks.length > MARKS ? ' …' : ''}`;
  });
  const more = affected - users.length;
  return more > 0 ? [...users, `    and ${more} more`] : users;
}
