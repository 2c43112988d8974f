import { Link } from "react-router";

import { Panel } from "@/components/panel";
import { useText } from "@/lib/text";

export function NotFound() {
  const text = useText();
  return (
    <Panel kicker="404" title={text("notFound.title")}>
      <p>
        {text("notFound.what")} <Link to="/">{text("notFound.go")}</Link>
      </p>
    </Panel>
  );
}
