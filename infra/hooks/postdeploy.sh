#!/bin/sh
# After azd has deployed the first app: the same code to the other five, where there are six, and the blob subscription.
. "$(dirname "$0")/common.sh"

want AZURE_RESOURCE_GROUP FUNCTION_APPS FIRST_APP FILES_APP PUBLIC_BASE_URL
others=
for app in $(words "$FUNCTION_APPS"); do
  [ "$app" = "$FIRST_APP" ] || others="$others $app"
done
if [ -n "$others" ]; then
  need azd
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  azd package app --output-path "$folder/package.zip"
  # shellcheck disable=SC2086 # one word for each app
  sh "infra/hooks/deploy-package.sh" "$folder/package.zip" true $others
fi
sh "infra/hooks/events.sh"
say "deployed: $PUBLIC_BASE_URL"
say "next: make preflight URL=$PUBLIC_BASE_URL TOKEN=<an access token or API key of an administrator>"
