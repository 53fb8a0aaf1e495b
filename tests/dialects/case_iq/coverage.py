"""What the tests of this dialect show: the seed's and the contract's documented behaviours, and our readings."""

from typing import Final

from tests.dialects.coverage_shape import Behaviour


def _documented(text: str, test: str) -> Behaviour:
    return Behaviour("documented", text, test)


def _reading(text: str, test: str) -> Behaviour:
    return Behaviour("reading", text, test)


COVERAGE: Final = (
    # Seed 2, section 1: upload
    _documented(
        "POST save_file is multipart, answers 200 and the new id",
        "test_a_file_goes_onto_a_case_and_its_record_comes_back_with_200",
    ),
    _documented("Upload: the seven printed keys and their kinds", "test_the_example_is_answered_as_recorded"),
    _documented("caseId is required and a UUID", "test_what_cannot_be_is_refused_and_changes_nothing"),
    _documented("file is required", "test_what_cannot_be_is_refused_and_changes_nothing"),
    _documented("file must be the last field", "test_parts_after_the_file_are_not_seen"),
    _documented("description is optional text", "test_the_optional_fields_are_kept"),
    _documented("templateLocale is optional, en_US by default", "test_left_out_they_have_their_defaults"),
    _documented("bulkTags[] is repeated, once for each tag id", "test_the_optional_fields_are_kept"),
    _documented("bulkTags as a JSON array is not taken", "test_what_cannot_be_is_refused_and_changes_nothing"),
    _documented(
        "The id of the upload serves for retrieval", "test_a_file_goes_onto_a_case_and_its_record_comes_back_with_200"
    ),
    # Seed 2, section 2: list
    _documented(
        "records and count, the number of records returned", "test_a_list_is_records_and_how_many_of_them_are_here"
    ),
    _documented(
        "Only files that the caller may view", "test_a_scoped_caller_sees_its_cases_and_the_rest_is_as_if_unknown"
    ),
    _documented("limit", "test_a_list_is_records_and_how_many_of_them_are_here"),
    _documented(
        "before and after a value of the sort field", "test_before_is_smaller_and_after_is_greater_in_either_order"
    ),
    _documented("sort", "test_sorting_by_a_field_goes_both_ways"),
    _documented("order", "test_the_newest_comes_first_unless_told"),
    _documented("fields", "test_fields_leave_what_was_asked_for_and_the_id"),
    _documented("Filters by kind, fileFormat and other string fields", "test_string_fields_filter_by_equality"),
    # Seed 2, sections 3 and 4: download, retrieve
    _documented("Download streams the raw file, not JSON", "test_a_download_is_the_raw_file"),
    _documented("Of several files only the first is given", "test_after_a_new_version_the_current_one_is_given"),
    _documented(
        "Retrieve gives the bare record with id, createdDate and metadata", "test_retrieving_gives_the_bare_record"
    ),
    _documented("Retrieve validates the id", "test_malformed_ids_are_refused"),
    # The token endpoint, by the contract
    _documented(
        "Client-credentials grant, ttl 600 by default", "test_a_service_account_gets_a_token_that_opens_the_api"
    ),
    _documented("ttl up to 3600", "test_the_token_lives_as_long_as_asked"),
    _documented("The text for a ttl out of range", "test_a_ttl_out_of_range_has_the_one_documented_text"),
    _documented("A scope is an error", "test_a_scope_is_not_supported"),
    _documented("501 for another grant type", "test_other_grant_types_are_501"),
    _documented("401 for a wrong id or secret", "test_a_wrong_id_or_secret_is_401"),
    _documented("404 when the feature is off", "test_switched_off_the_endpoint_is_not_there"),
    _documented("The role decides what a token may do", "test_the_role_decides_what_the_token_may_do"),
    # Errors, by the contract
    _documented("The error object and its closed code list", "test_every_failure_has_its_status_and_code"),
    _documented("The sample error: Case not found", "test_the_example_is_answered_as_recorded"),
    _documented("429 exists", "test_guessing_is_stopped_and_a_success_forgets_the_failures"),
    # The limits of the product, by the contract
    _documented("50 MB a file, 1000 files a case", "test_the_defaults_are_the_documented_ones"),
    _documented("Closed cases take files", "test_a_closed_case_still_takes_files"),
    # Cases, by the contract
    _documented(
        "Case create is 201 with id and createdDate", "test_a_case_needs_no_field_and_gets_what_the_server_assigns"
    ),
    _documented("PUT replaces, PATCH changes what is sent", "test_put_replaces_and_patch_changes_what_is_sent"),
    _documented(
        "Transition by caseStatus, workflowId, reason", "test_a_case_closes_and_opens_again_along_its_workflow"
    ),
    _documented("lastWorkflowId after create and read", "test_a_case_needs_no_field_and_gets_what_the_server_assigns"),
    # What the vendor leaves open
    _reading("caseId after the file is 400 as missing", "test_a_case_id_after_the_file_is_missing"),
    _reading("Unknown tag id is 400", "test_what_cannot_be_is_refused_and_changes_nothing"),
    _reading("Any locale like xx_YY is taken", "test_the_optional_fields_are_kept"),
    _reading(
        "encoding is the part's transfer encoding, 7bit by default", "test_a_transfer_encoding_of_the_part_is_kept"
    ),
    _reading("objectId is the stored blob", "test_a_file_goes_onto_a_case_and_its_record_comes_back_with_200"),
    _reading("nameWithoutExtension drops the last extension", "test_names_of_every_kind_come_back_byte_for_byte"),
    _reading("fileFormat is the extension in lower case", "test_names_of_every_kind_come_back_byte_for_byte"),
    _reading("Oversize is 400", "test_a_file_of_exactly_the_limit_goes_and_one_byte_more_does_not"),
    _reading("More files than a case takes is 400", "test_a_case_takes_so_many_files_and_no_more"),
    _reading("Wrong media type is 400", "test_other_bodies_are_bad_requests"),
    _reading("limit: 100 by default, at most 1000", "test_the_default_page_holds_a_hundred_and_the_largest_a_thousand"),
    _reading("limit 0, -1, beyond 1000 or no number is 400", "test_other_queries_are_bad_requests"),
    _reading(
        "before and after are strict and do not flip with order",
        "test_before_is_smaller_and_after_is_greater_in_either_order",
    ),
    _reading("sort is createdDate, order desc by default", "test_the_newest_comes_first_unless_told"),
    _reading("Unknown sort field or order is 400", "test_other_queries_are_bad_requests"),
    _reading("fields: comma list and repeated, id always", "test_fields_leave_what_was_asked_for_and_the_id"),
    _reading("Unknown parameter is 400", "test_other_queries_are_bad_requests"),
    _reading("Filters are exact and hold together", "test_string_fields_filter_by_equality"),
    _reading(
        "caseId, name, mimeType, description filter too", "test_every_string_field_finds_the_record_that_shows_it"
    ),
    _reading("createdDate is unique, with microseconds", "test_created_dates_are_unique_and_show_microseconds"),
    _reading("Keyset walk until count is 0", "test_a_whole_list_is_walked_page_by_page"),
    _reading("Download headers: type, length, disposition", "test_a_download_is_the_raw_file"),
    _reading("Ranges and conditions", "test_parts_and_conditions_are_honoured"),
    _reading("Update and delete of files are 405", "test_update_and_delete_are_not_offered"),
    _reading("A superset record in list and retrieve", "test_retrieving_gives_the_bare_record"),
    _reading("Unknown case 404, missing right 403", "test_a_right_opens_its_routes_and_no_others"),
    _reading("Bearer token on API calls", "test_without_a_valid_token_every_route_is_401"),
    _reading("Token reply as in RFC 6749", "test_a_service_account_gets_a_token_that_opens_the_api"),
    _reading("Form-encoded token requests", "test_a_form_is_taken_as_oauth_does"),
    _reading("Malformed token requests are invalid_request", "test_other_bodies_are_invalid_requests"),
    _reading("Cases need no field and keep any", "test_any_fields_are_kept_and_those_of_the_server_passed_over"),
    _reading("caseNumber is year and number", "test_case_numbers_are_the_year_and_a_count_in_the_account"),
    _reading("GET cases lists like attachments", "test_the_list_of_cases_follows_the_same_convention"),
    _reading("Tags are records of type tag", "test_the_optional_fields_are_kept"),
    _reading("Another account's ids are not found", "test_another_accounts_ids_are_not_found_anywhere"),
    _reading("Files on no case are not seen", "test_files_that_hang_on_no_case_are_not_seen"),
    _reading("Files of other APIs appear once on a case", "test_files_that_came_by_another_api_appear_and_are_found"),
)
