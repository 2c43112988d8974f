import { ComparisonPage } from "@/features/planning/comparison-page";

/** For operators: which method of planning is worth what. */
export default function Methods() {
  return <ComparisonPage />;
}
