/** For tests that start the compiled program: it is compiled first when it is older than its sources, as `npm test` does. */

// @ts-expect-error A plain script without types.
import { setUp } from '../../deploy/local/setup.mjs';

export default setUp as () => void;
