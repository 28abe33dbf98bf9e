/** What goes wrong with the disk, not with a connection or an archive: what was fetched before is kept. */

import { hasCode } from '../errors/stillhouse-error.js';

const CODES = ['ENOSPC', 'EDQUOT', 'EIO', 'EACCES', 'EROFS', 'EISDIR'];

export const DISK_HINT = 'Run the command again when that is mended: it goes on';

/** Whether an error is the file system's: no space, no permission, a fault of the device. */
export function isDiskFault(error: unknown): boolean {
  return CODES.some((code) => hasCode(error, code));
}
