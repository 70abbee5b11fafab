// Package pagetest tests the pages that qc and internal/batch write in a real browser: Debian's Chromium, without a
// window and with the network refused. Without Chromium its tests are skipped, unless DMRI_TEST_BROWSER=required.
// With DMRI_SCREENSHOTS=DIR they leave what they saw in DIR.
package pagetest
